import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_POSITIONS } from '#platform/validation/position-fields.ts';
import { defaultPositionId } from './domain.ts';
import { call, type Job, job, openTestPositions, UPDATE, unique } from './position.fixture.ts';

const { db, service, createGroup, createPosition, change, positionOf, boundTo, eventsOf, undo, close } =
  await openTestPositions('positions');
test.after.always(close);

const create = (groupId: string, { of }: Job = job(), positionId = randomUUID(), name = unique('Treasurer')) =>
  service.beginCreatePosition({ operationId: of('begin'), groupId, positionId, name, permissions: [UPDATE] }, call);
const update = (groupId: string, positionId: string, given: object, { of }: Job = job()) =>
  service.beginUpdatePosition(
    {
      ...{ operationId: of('begin'), groupId, positionId },
      ...{ name: undefined, permissions: undefined, expectedVersion: undefined, ...given },
    },
    call,
  );
const remove = (groupId: string, positionId: string, { of }: Job = job(), expectedVersion?: number) =>
  service.beginDeletePosition({ operationId: of('begin'), groupId, positionId, expectedVersion }, call);
const commit = (positionId: string, { of }: Job) => service.commitPosition({ operationId: of('commit'), positionId }, call);

test('a group begins with a position of its leaders, to which its creator is bound, and one of its members', async (t) => {
  const [groupId, leaderId] = [randomUUID(), randomUUID()];
  const asked = { operationId: job().of('add'), groupId, leaderId };
  const { written, positions } = await service.addDefaultPositions(asked, call);
  const [leading, ofMembers] = [defaultPositionId(groupId, 'leader'), defaultPositionId(groupId, 'member')];
  t.deepEqual(written, [
    { type: 'position', id: leading, version: 1 },
    { type: 'position', id: ofMembers, version: 1 },
    { type: 'bindings', id: `${groupId}.${leaderId}`, version: 1 },
  ]);
  t.deepEqual(
    positions.map(({ positionId, kind }) => [positionId, kind]),
    [
      [leading, 'POSITION_KIND_LEADER'],
      [ofMembers, 'POSITION_KIND_MEMBER'],
    ],
  );
  t.true(positions[0]?.permissions.every(({ reach }) => reach === 'REACH_SUBTREE'));
  t.deepEqual(
    positions[1]?.permissions.map(({ action, reach }) => `${action} ${reach}`),
    ['group.read', 'group.list', 'group.list-members', 'position.list'].map((action) => `${action} REACH_HERE`),
  );
  t.deepEqual(await service.addDefaultPositions(asked, call), { written, positions }, 'a repeat answers the same');
  t.deepEqual(await boundTo(groupId, leaderId), [leading]);
  t.deepEqual(await eventsOf(leading), ['position.created 1']);
  t.deepEqual(await eventsOf(`${groupId}.${leaderId}`), ['bindings.changed 1']);
});

test('undone, a group has no positions and nobody is bound; once undone they do not come late', async (t) => {
  const [groupId, leaderId] = [randomUUID(), randomUUID()];
  const asked = { operationId: job().of('add'), groupId, leaderId };
  await service.addDefaultPositions(asked, call);
  await undo(asked.operationId);
  t.is(await positionOf(defaultPositionId(groupId, 'leader')), undefined);
  t.deepEqual(await boundTo(groupId, leaderId), []);
  t.deepEqual(await eventsOf(defaultPositionId(groupId, 'member')), ['position.created 1', 'position.deleted 2']);
  const told = await db.query<{ payload: { groupId?: string } }>(
    sql`select payload from outbox where aggregateid = ${defaultPositionId(groupId, 'member')}`,
  );
  t.deepEqual(
    told.map(({ payload }) => payload.groupId),
    [groupId, groupId],
  );
  t.deepEqual(await eventsOf(`${groupId}.${leaderId}`), ['bindings.changed 1', 'bindings.changed 2']);
  await t.throwsAsync(service.addDefaultPositions(asked, call), { code: 'OPERATION_UNDONE' });
  t.deepEqual(await db.query(sql`select from names where group_id = ${groupId}`), []);
});

test('a default position has the same ID whoever makes it, a UUID of version 8', (t) => {
  const id = defaultPositionId('root', 'leader');
  t.is(id, defaultPositionId('root', 'leader'));
  t.not(id, defaultPositionId('root', 'member'));
  t.regex(id, /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});

test('the whole organisation has its positions, however many starts make sure; what was changed in them stays', async (t) => {
  const starts = await Promise.all(Array.from({ length: 5 }, () => service.ensureRootPositions({}, call)));
  for (const start of starts) t.deepEqual(start, starts[0]);
  const ofMembers = defaultPositionId('root', 'member');
  const grant = starts[0]?.positions.find(({ positionId }) => positionId === ofMembers);
  t.true(grant?.permissions.some(({ action, reach }) => action === 'group.create' && reach === 'REACH_HERE'));
  const { positionId } = await createPosition('root');
  const one = job();
  await update('root', ofMembers, { permissions: { permissions: [] } }, one);
  await commit(ofMembers, one);
  const making = job();
  await create('root', making);
  const { positions } = await service.ensureRootPositions({}, call);
  t.deepEqual(
    positions.map((each) => each.positionId).sort(),
    [defaultPositionId('root', 'leader'), ofMembers, positionId].sort(),
    'one that is being made is none yet',
  );
  t.deepEqual(positions.find((each) => each.positionId === ofMembers)?.permissions, []);
});

test('a position that is being created is seen by nobody, then by all; undone, it leaves its name to others', async (t) => {
  const { groupId } = await createGroup();
  const [positionId, name, first] = [randomUUID(), unique('Writer'), job()];
  t.deepEqual(await create(groupId, first, positionId, name), {
    position: { positionId, kind: 'POSITION_KIND_UNSPECIFIED', permissions: [UPDATE] },
  });
  t.is(await positionOf(positionId), undefined);
  await t.throwsAsync(create(groupId, job(), randomUUID(), name), { code: 'NAME_TAKEN' });
  await undo(first.of('begin'));
  t.deepEqual(await eventsOf(positionId), []);
  await t.throwsAsync(create(groupId, first, positionId, name), { code: 'OPERATION_UNDONE' }, 'it comes late');
  const second = job();
  await create(groupId, second, positionId, name);
  t.deepEqual(await commit(positionId, second), { written: { type: 'position', id: positionId, version: 1 } });
  t.like(await positionOf(positionId), { name, kind: null, groupId, lockHolder: null });
  t.deepEqual(await eventsOf(positionId), ['position.created 1']);
});

test('names are one in any case and width within a group, not in another; one that is given up is free once that is committed', async (t) => {
  const { groupId, ofMembers } = await createGroup();
  const other = await createGroup();
  const { positionId, name } = await createPosition(groupId, unique('Ｗide'));
  await t.throwsAsync(createPosition(groupId, name.replace('Ｗ', 'w').toUpperCase()), { code: 'NAME_TAKEN' });
  await t.notThrowsAsync(createPosition(other.groupId, name));
  t.like(await t.throwsAsync(create(groupId, job(), randomUUID(), 'LEADER')), {
    code: 'NAME_TAKEN',
    fields: [{ field: 'name', code: 'TAKEN', message: 'is the name of another position of the group; choose another' }],
  });
  const [one, renamed] = [job(), unique('Other')];
  await update(groupId, positionId, { name: renamed, expectedVersion: 1 }, one);
  await t.throwsAsync(createPosition(groupId, name), { code: 'NAME_TAKEN' }, 'it may be undone yet');
  await t.throwsAsync(createPosition(groupId, renamed), { code: 'NAME_TAKEN' });
  await commit(positionId, one);
  await t.notThrowsAsync(createPosition(groupId, name));
  t.like(await positionOf(positionId), { name: renamed, permissions: [{ action: 'group.update', reach: 'here' }], version: 2 });
  const rename = job();
  await update(groupId, ofMembers, { name: 'Crew' }, rename);
  await commit(ofMembers, rename);
  await t.notThrowsAsync(createPosition(groupId, 'Member'), 'the default name is free then');
});

test('an update that is undone leaves all as it was; one job at a time changes a position', async (t) => {
  const { groupId } = await createGroup();
  const { positionId, name } = await createPosition(groupId);
  const [one, other] = [job(), unique('Other')];
  const permissions = { permissions: [{ action: 'group.update', reach: 'REACH_SUBTREE' as const }] };
  t.deepEqual(
    (await update(groupId, positionId, { name: other, permissions }, one)).position?.permissions,
    permissions.permissions,
  );
  t.like(await t.throwsAsync(update(groupId, positionId, {})), { code: 'POSITION_BUSY', retryable: true });
  await t.throwsAsync(commit(positionId, job()), { code: 'LOCK_NOT_HELD' });
  await undo(one.of('begin'));
  t.like(await positionOf(positionId), { name, version: 1, lockHolder: null, pending: null });
  await t.notThrowsAsync(createPosition(groupId, other));
  await t.throwsAsync(update(groupId, positionId, { expectedVersion: 7 }), { code: 'VERSION_MISMATCH' });
  t.deepEqual(await eventsOf(positionId), ['position.created 1']);
});

test('a job that has committed lets go of nothing that another one has taken since', async (t) => {
  const { groupId } = await createGroup();
  const { positionId, jobId } = await createPosition(groupId);
  const one = job();
  await update(groupId, positionId, { name: unique('Other') }, one);
  await undo(`${jobId}/begin`);
  await t.notThrowsAsync(commit(positionId, one));
});

test('a position is of its group, and groups that are not there have none', async (t) => {
  const { groupId } = await createGroup();
  const other = await createGroup();
  const { positionId } = await createPosition(other.groupId);
  t.like(await t.throwsAsync(update(groupId, positionId, { name: 'x' })), {
    code: 'POSITION_NOT_FOUND',
    message: `The group has no position ${positionId}.`,
  });
  await t.throwsAsync(remove(groupId, randomUUID()), { code: 'POSITION_NOT_FOUND' });
  await t.throwsAsync(create(randomUUID()), { code: 'GROUP_NOT_FOUND' });
});

test('default positions are changed, but never deleted', async (t) => {
  const { groupId, leading, ofMembers } = await createGroup();
  for (const positionId of [leading, ofMembers])
    await t.throwsAsync(remove(groupId, positionId), { code: 'BUILT_IN' }, positionId);
  const one = job();
  await update(groupId, leading, { name: 'Chair', permissions: { permissions: [UPDATE] } }, one);
  await commit(leading, one);
  t.like(await positionOf(leading), { name: 'Chair', kind: 'leader', version: 2 });
});

test('a position to which somebody is bound is not deleted; once nobody is, it is', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId] });
  await t.throwsAsync(remove(groupId, positionId), { code: 'POSITION_IN_USE' });
  await change(groupId, memberId, { release: [positionId] });
  await t.throwsAsync(remove(groupId, positionId, job(), 7), { code: 'VERSION_MISMATCH' });
  const undoing = job();
  await remove(groupId, positionId, undoing);
  await undo(undoing.of('begin'));
  const one = job();
  await remove(groupId, positionId, one, 1);
  t.deepEqual(await commit(positionId, one), { written: { type: 'position', id: positionId, version: 2 } });
  t.is(await positionOf(positionId), undefined);
  t.deepEqual(await eventsOf(positionId), ['position.created 1', 'position.deleted 2']);
});

test('a group has so many positions, and no more, also of two that are made at once', async (t) => {
  const { groupId } = await createGroup();
  const ids = Array.from({ length: MOST_POSITIONS - 3 }, () => randomUUID());
  await db.query(sql`insert into positions (position_id, group_id, name, permissions, version, created_at, updated_at)
    select id, ${groupId}, id, '[]', 1, now(), now() from unnest(${ids}::text[]) id`);
  const outcomes = await Promise.allSettled([create(groupId), create(groupId), create(groupId)]);
  t.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') t.is(outcome.reason.code, 'TOO_MANY_POSITIONS');
});

test('all positions of groups that are gone are removed, with who is bound to them', async (t) => {
  const [one, other] = [await createGroup(), await createGroup()];
  const { positionId } = await createPosition(one.groupId);
  const memberId = randomUUID();
  await change(one.groupId, memberId, { bind: [positionId] });
  const kept = await createGroup();
  const removal = { operationId: job().of('remove'), groupIds: [one.groupId, other.groupId, randomUUID()] };
  const { written, positionIds } = await service.removeAllPositions(removal, call);
  t.deepEqual(positionIds, [one.leading, one.ofMembers, positionId, other.leading, other.ofMembers].sort());
  t.is(written.length, 5 + 3);
  t.deepEqual(await service.removeAllPositions(removal, call), { written, positionIds });
  t.deepEqual(await eventsOf(positionId), ['position.created 1', 'position.deleted 2']);
  t.deepEqual(await eventsOf(`${one.groupId}.${memberId}`), ['bindings.changed 1', 'bindings.changed 2']);
  t.deepEqual(await boundTo(one.groupId, one.leaderId), []);
  t.deepEqual(await boundTo(kept.groupId, kept.leaderId), [kept.leading]);
  await t.throwsAsync(create(one.groupId), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(change(one.groupId, memberId, { release: [positionId] }), { code: 'GROUP_NOT_FOUND' });
  for (const groupIds of [[], Array.from({ length: 101 }, () => randomUUID())])
    await t.throwsAsync(service.removeAllPositions({ operationId: job().of('r'), groupIds }, call), { code: 'INVALID_ARGUMENT' });
});

test('positions are not removed under a job that is at them', async (t) => {
  const { groupId } = await createGroup();
  const removing = (operationId = job().of('remove')) => service.removeAllPositions({ operationId, groupIds: [groupId] }, call);
  const making = job();
  const positionId = randomUUID();
  await create(groupId, making, positionId);
  t.like(await t.throwsAsync(removing()), { code: 'POSITION_BUSY', retryable: true });
  await commit(positionId, making);
  const binding = job();
  const bind = { operationId: binding.of('begin'), groupId, memberId: randomUUID(), bind: [positionId], release: [] };
  const rest = { releaseAll: false, successorId: undefined, until: undefined };
  await service.beginChangeBindings({ ...bind, ...rest }, call);
  t.like(await t.throwsAsync(removing()), { code: 'POSITION_BUSY', retryable: true });
  await undo(binding.of('begin'));
  await t.notThrowsAsync(removing());
});
