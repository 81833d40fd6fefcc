import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { readBindings } from './bindings.ts';
import { call, job, ledBy, NO_TENURE, openTestPositions } from './position.fixture.ts';

const { db, service, begin, commit, createGroup, createPosition, change, positionOf, boundTo, eventsOf, undo, close } =
  await openTestPositions('bindings');
test.after.always(close);

const removal = (groupId: string, positionId: string, { of } = job()) =>
  service.beginDeletePosition({ operationId: of('begin'), groupId, positionId, expectedVersion: undefined }, call);
const leading = async () => {
  const group = await createGroup();
  return {
    ...group,
    leave: (memberId: string, more: object = {}, one = job()) =>
      begin(group.groupId, memberId, { releaseAll: true, ...more }, one),
  };
};

test('who is bound to a position is, once that is committed, and told of', async (t) => {
  const { groupId } = await createGroup();
  const [{ positionId }, other] = [await createPosition(groupId), await createPosition(groupId)];
  const [memberId, one] = [randomUUID(), job()];
  const both = [positionId, other.positionId].sort();
  t.deepEqual(await begin(groupId, memberId, { bind: both }, one), {
    bindings: [{ memberId, positionIds: both }],
    tenure: NO_TENURE,
    terms: [],
  });
  t.deepEqual(await boundTo(groupId, memberId), []);
  t.deepEqual(await commit(one), { written: [{ type: 'bindings', id: `${groupId}.${memberId}`, version: 1 }] });
  t.deepEqual(await boundTo(groupId, memberId), both);
  const letting = job();
  t.deepEqual(await begin(groupId, memberId, { release: [positionId] }, letting), {
    bindings: [{ memberId, positionIds: [other.positionId] }],
    tenure: NO_TENURE,
    terms: [],
  });
  await commit(letting);
  t.deepEqual(await boundTo(groupId, memberId), [other.positionId]);
  await change(groupId, memberId, { releaseAll: true });
  t.deepEqual(await boundTo(groupId, memberId), []);
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), ['bindings.changed 1', 'bindings.changed 2', 'bindings.changed 3']);
  const told = await db.query<{ payload: object }>(
    sql`select payload from outbox where aggregateid = ${`${groupId}.${memberId}`} order by version`,
  );
  t.like(told[1]?.payload, { groupId, memberId, version: 2, bindings: [{ positionId: other.positionId }] });
  t.false('bindings' in (told[2]?.payload ?? {}), 'none');
});

test('nothing happens to who is bound to what it was: nothing is told, and nothing is left', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  t.deepEqual(await change(groupId, memberId, { release: [positionId] }), { written: [] });
  t.deepEqual(await db.query(sql`select from binding_versions where member_id = ${memberId}`), []);
  await change(groupId, memberId, { bind: [positionId] });
  const one = job();
  t.deepEqual(await begin(groupId, memberId, { bind: [positionId] }, one), {
    bindings: [{ memberId, positionIds: [positionId] }],
    tenure: NO_TENURE,
    terms: [],
  });
  t.deepEqual(await commit(one), { written: [] });
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), ['bindings.changed 1']);
  t.like((await readBindings(db, { ids: [`${groupId}.${memberId}`] }))[0], { version: 1, changing: false });
});

test('undone, all are bound to what they were; a late arrival changes nothing', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, one] = [randomUUID(), job()];
  await begin(groupId, memberId, { bind: [positionId] }, one);
  await undo(one.of('begin'));
  await undo(one.of('begin'));
  t.deepEqual(await boundTo(groupId, memberId), []);
  t.deepEqual(await db.query(sql`select from binding_versions where member_id = ${memberId}`), []);
  await t.throwsAsync(begin(groupId, memberId, { bind: [positionId] }, one), { code: 'OPERATION_UNDONE' });
  await t.throwsAsync(commit(one), { code: 'LOCK_NOT_HELD' });
  const never = job();
  await undo(never.of('begin'));
  await t.throwsAsync(begin(groupId, memberId, { bind: [positionId] }, never), { code: 'OPERATION_UNDONE' });
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), []);
});

test('one job at a time changes what a member is bound to; of two at once one goes through', async (t) => {
  const { groupId } = await createGroup();
  const [{ positionId }, other] = [await createPosition(groupId), await createPosition(groupId)];
  for (let round = 0; round < 10; round++) {
    const memberId = randomUUID();
    const jobs = [job(), job()];
    const outcomes = await Promise.allSettled([
      begin(groupId, memberId, { bind: [positionId] }, jobs[0]),
      begin(groupId, memberId, { bind: [other.positionId] }, jobs[1]),
    ]);
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    t.like(refused, [{ code: 'POSITION_BUSY', retryable: true }]);
    const won = outcomes.findIndex(({ status }) => status === 'fulfilled');
    await commit(jobs[won] ?? job());
    t.is((await boundTo(groupId, memberId)).length, 1);
    await t.notThrowsAsync(begin(groupId, memberId, { bind: [positionId] }, jobs[1 - won]), 'it is free');
  }
});

test('in another group, and for another member, nobody waits', async (t) => {
  const [one, other] = [await createGroup(), await createGroup()];
  const memberId = randomUUID();
  await begin(one.groupId, memberId, { bind: [one.leading] });
  await t.notThrowsAsync(begin(other.groupId, memberId, { bind: [other.leading] }));
  await t.notThrowsAsync(begin(one.groupId, randomUUID(), { bind: [one.leading] }));
});

test('a position that is being deleted is bound to nobody, and one that is being bound is not deleted', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, binding, deleting] = [randomUUID(), job(), job()];
  await begin(groupId, memberId, { bind: [positionId] }, binding);
  t.like(await t.throwsAsync(removal(groupId, positionId)), { code: 'POSITION_BUSY', retryable: true });
  await undo(binding.of('begin'));
  await removal(groupId, positionId, deleting);
  t.like(await t.throwsAsync(begin(groupId, memberId, { bind: [positionId] })), { code: 'POSITION_BUSY', retryable: true });
  await t.notThrowsAsync(change(groupId, memberId, { release: [positionId] }));
  await service.commitPosition({ operationId: deleting.of('commit'), positionId }, call);
  await t.throwsAsync(begin(groupId, memberId, { bind: [positionId] }), { code: 'POSITION_NOT_FOUND' });
});

test('of a deletion and a binding at the same time one goes through', async (t) => {
  const { groupId } = await createGroup();
  for (let round = 0; round < 20; round++) {
    const { positionId } = await createPosition(groupId);
    const [memberId, binding, deleting] = [randomUUID(), job(), job()];
    const [bound, deleted] = await Promise.allSettled([
      begin(groupId, memberId, { bind: [positionId] }, binding).then(() => commit(binding)),
      removal(groupId, positionId, deleting).then(() =>
        service.commitPosition({ operationId: deleting.of('commit'), positionId }, call),
      ),
    ]);
    t.not(bound.status, deleted.status);
    t.is((await positionOf(positionId)) === undefined, deleted.status === 'fulfilled');
    t.deepEqual(await boundTo(groupId, memberId), bound.status === 'fulfilled' ? [positionId] : []);
  }
});

test('nobody is bound to what all members hold, nor to a position of another group, or one that is being made', async (t) => {
  const { groupId, ofMembers } = await createGroup();
  const other = await createGroup();
  const memberId = randomUUID();
  await t.throwsAsync(begin(groupId, memberId, { bind: [ofMembers] }), { code: 'BUILT_IN' });
  await t.throwsAsync(begin(groupId, memberId, { release: [ofMembers] }), { code: 'BUILT_IN' });
  for (const asked of [{ bind: [other.leading] }, { release: [other.leading] }])
    await t.throwsAsync(begin(groupId, memberId, asked), { code: 'POSITION_NOT_FOUND' });
  const making = { operationId: job().of('begin'), groupId, positionId: randomUUID(), name: 'Made', permissions: [] };
  await service.beginCreatePosition(making, call);
  await t.throwsAsync(begin(groupId, memberId, { bind: [making.positionId] }), { code: 'POSITION_NOT_FOUND' });
  const unknown = randomUUID();
  await t.throwsAsync(begin(unknown, memberId, { bind: [ofMembers] }), { code: 'GROUP_NOT_FOUND' });
  t.like(await begin(unknown, memberId, { releaseAll: true }), { bindings: [{ memberId, positionIds: [] }], tenure: NO_TENURE });
  await t.notThrowsAsync(begin(groupId, memberId, { releaseAll: true }), 'what was refused has taken nothing');
});

test('of the last leader it is told that none is left, unless there is a successor', async (t) => {
  const { groupId, leading: leader, leaderId, leave } = await leading();
  for (const asked of [{ releaseAll: true }, { release: [leader] }, { releaseAll: true, successorId: leaderId }]) {
    const one = job();
    t.deepEqual(await begin(groupId, leaderId, asked, one), {
      bindings: [{ memberId: leaderId, positionIds: [] }],
      tenure: ledBy(),
      terms: [],
    });
    await undo(one.of('begin'));
  }
  await t.notThrowsAsync(change(groupId, leaderId, { bind: [leader] }), 'it leads still');
  const { positionId } = await createPosition(groupId);
  const [successorId, one] = [randomUUID(), job()];
  await change(groupId, successorId, { bind: [positionId] });
  t.deepEqual(await leave(leaderId, { successorId }, one), {
    bindings: [
      { memberId: leaderId, positionIds: [] },
      { memberId: successorId, positionIds: [leader, positionId].sort() },
    ],
    tenure: ledBy(successorId),
    terms: [],
  });
  const { written } = await commit(one);
  t.deepEqual(
    written.map(({ id, version }) => [id, version]).sort(),
    [
      [`${groupId}.${leaderId}`, 2],
      [`${groupId}.${successorId}`, 2],
    ].sort(),
  );
  t.deepEqual(await boundTo(groupId, leaderId), []);
  t.deepEqual(await boundTo(groupId, successorId), [leader, positionId].sort(), 'with what it had');
  await change(groupId, successorId, { releaseAll: true });
  t.deepEqual(await boundTo(groupId, successorId), []);
  await t.notThrowsAsync(change(groupId, randomUUID(), { releaseAll: true }), 'a group that has no leader is refused nothing');
});

test('who is named as a successor is one also where another leads; one that another job changes is waited for; undone, all is as it was', async (t) => {
  const { groupId, leading: leader, leaderId, leave } = await leading();
  const successorId = randomUUID();
  const [busy, one] = [job(), job()];
  const { positionId } = await createPosition(groupId);
  await begin(groupId, successorId, { bind: [positionId] }, busy);
  t.like(await t.throwsAsync(leave(leaderId, { successorId })), { code: 'POSITION_BUSY', retryable: true });
  await undo(busy.of('begin'));
  await leave(leaderId, { successorId }, one);
  t.like(await t.throwsAsync(begin(groupId, successorId, { releaseAll: true })), { code: 'POSITION_BUSY' });
  await undo(one.of('begin'));
  t.deepEqual(await boundTo(groupId, leaderId), [leader]);
  await t.notThrowsAsync(change(groupId, successorId, { bind: [leader] }));
  const third = randomUUID();
  t.deepEqual(await leave(leaderId, { successorId: third }), {
    bindings: [
      { memberId: leaderId, positionIds: [] },
      { memberId: third, positionIds: [leader] },
    ],
    tenure: ledBy(third, successorId),
    terms: [],
  });
});

test('of the last two leaders that leave at once one is told to be the last', async (t) => {
  for (let round = 0; round < 10; round++) {
    const { groupId, leading: leader, leaderId, leave } = await leading();
    const other = randomUUID();
    await change(groupId, other, { bind: [leader] });
    const outcomes = await Promise.allSettled([leave(leaderId), leave(other)]);
    t.deepEqual(outcomes.map((one) => one.status === 'fulfilled' && one.value.tenure?.leaders?.memberIds.length === 0).sort(), [
      false,
      true,
    ]);
  }
});

test('who a job is only about to make a leader is none to count on', async (t) => {
  const { groupId, leading: leader, leaderId, leave } = await leading();
  const [other, binding] = [randomUUID(), job()];
  await begin(groupId, other, { bind: [leader] }, binding);
  const leaving = job();
  t.deepEqual((await leave(leaderId, {}, leaving)).tenure, ledBy());
  await undo(leaving.of('begin'));
  await commit(binding);
  t.deepEqual((await leave(leaderId)).tenure, ledBy(other));
});

test('a term is kept and told, in the future and not too far in it; to be bound once more gives another one', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, until] = [randomUUID(), new Date(Date.now() + 86_400_000)];
  await change(groupId, memberId, { bind: [positionId], until: until.toISOString() });
  const found = async () => (await readBindings(db, { ids: [`${groupId}.${memberId}`] }))[0];
  const first = await found();
  t.deepEqual(first?.bindings[0]?.until, until);
  await change(groupId, memberId, { bind: [positionId] });
  t.like(await found(), { version: 2, bindings: [{ until: null, boundAt: first?.bindings[0]?.boundAt }] });
  const [told] = await db.query<{ payload: { bindings: object[] } }>(
    sql`select payload from outbox where aggregateid = ${`${groupId}.${memberId}`} and version = 1`,
  );
  t.like(told?.payload.bindings, [{ positionId, until: until.toISOString() }]);
  const years = (count: number): Date => new Date(Date.now() + count * 366 * 86_400_000);
  for (const wrong of [new Date(Date.now() - 1).toISOString(), years(10).toISOString(), years(11).toISOString(), '', 'tomorrow'])
    t.like(await t.throwsAsync(begin(groupId, memberId, { bind: [positionId], until: wrong })), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'until', message: 'must be in the future, and at most 10 years away' }],
    });
});

test('what makes no sense is refused by field', async (t) => {
  const { groupId, leading: leader } = await createGroup();
  const memberId = randomUUID();
  const many = Array.from({ length: 101 }, () => leader);
  for (const [asked, field] of [
    [begin(groupId, memberId, {}), 'bind'],
    [begin(groupId, memberId, { bind: many }), 'bind'],
    [begin(groupId, 'nobody', { bind: [leader] }), 'memberId'],
    [begin('ROOT', memberId, { bind: [leader] }), 'groupId'],
    [begin(groupId, memberId, { bind: [leader], successorId: '' }), 'successorId'],
  ] as const)
    t.like(await t.throwsAsync(asked), { code: 'INVALID_ARGUMENT', fields: [{ field }] });
});
