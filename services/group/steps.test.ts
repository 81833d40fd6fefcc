import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Handlers } from '#platform/grpc/server.ts';
import { sql } from '#platform/postgres/database.ts';
import { MOST_TAGS, ROOT } from '#platform/validation/group-fields.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { call, job, openTestGroup, unique } from './group.fixture.ts';
import { groupState } from './state.ts';

const { db, service, begin, commit, createGroup, groupOf, membershipOf, putMembers, eventsOf, undo, close } =
  await openTestGroup('steps');
test.after.always(close);

test('the whole organisation is there once, however often it is made sure of', async (t) => {
  await Promise.all([1, 2, 3].map(() => service.ensureRoot({}, call)));
  t.like(await groupOf(ROOT), { name: 'Whole organisation', parentId: null, visibility: 'open', archivedAt: null });
  t.is((await eventsOf(ROOT))[0], 'group.created 1');
  t.is((await eventsOf(ROOT)).filter((event) => event.startsWith('group.created')).length, 1);
});

test('a group is unseen until it is committed, and told with all that it has', async (t) => {
  const at = job();
  const { groupId, name } = await begin.create(
    { description: ' All of it ', tags: ['b', 'a', 'A', 'b'], visibility: 'VISIBILITY_REQUEST' },
    at,
  );
  t.like(await groupOf(groupId), { version: 0, lockHolder: at.jobId });
  t.deepEqual(await eventsOf(groupId), []);
  const { written } = await commit(groupId, at);
  t.deepEqual(written, { type: 'group', id: groupId, version: 1 });
  const tags = ['A', 'b'].map((name, index) => ({ name, ids: [`${groupId}.1.${index}`] }));
  t.like(await groupOf(groupId), {
    ...{ name, description: 'All of it', visibility: 'request', tags, parentId: ROOT },
    ...{ version: 1, lockHolder: null, pending: null },
  });
  const [told] = await db.query<{ payload: unknown }>(sql`select payload from outbox where aggregateid = ${groupId}`);
  t.like(told?.payload, {
    ...{ groupId, version: 1 },
    group: { parentId: ROOT, name, description: 'All of it', visibility: 'VISIBILITY_REQUEST', tags },
  });
});

test('what was begun is undone without a trace, and its name is free again', async (t) => {
  const at = job();
  const { groupId, name } = await begin.create({}, at);
  await service.addCreator({ operationId: at.of('creator'), groupId, memberId: randomUUID() }, call);
  await t.throwsAsync(begin.create({ name }), { code: 'NAME_TAKEN' });
  await undo(at.of('creator'));
  await undo(at.of('begin'));
  t.is(await groupOf(groupId), undefined);
  t.deepEqual(await db.query(sql`select 1 from memberships where group_id = ${groupId}`), []);
  await t.notThrowsAsync(createGroup({ name }));
});

test('who creates a group is in it; the undo ends that', async (t) => {
  const [at, memberId] = [job(), randomUUID()];
  const { groupId } = await begin.create({}, at);
  const { written } = await service.addCreator({ operationId: at.of('creator'), groupId, memberId }, call);
  const id = `${groupId}.${memberId}`;
  t.deepEqual(written, { type: 'membership', id, version: 1 });
  t.truthy((await membershipOf(groupId, memberId))?.joinedAt);
  await undo(at.of('creator'));
  t.is((await membershipOf(groupId, memberId))?.joinedAt, null);
  t.deepEqual(await eventsOf(id), ['membership.changed 1', 'membership.ended 2']);
  const other = { operationId: job().of('creator'), groupId, memberId };
  await t.throwsAsync(service.addCreator(other, call), { code: 'LOCK_NOT_HELD' }, 'another job creates it');
});

test('who creates a group comes into it by the job that makes it, and by none that changes it', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  await begin.rename(groupId, unique('Other'), at);
  const asked = { operationId: at.of('creator'), groupId, memberId: randomUUID() };
  await t.throwsAsync(service.addCreator(asked, call), { code: 'LOCK_NOT_HELD' });
});

test('a change shows nothing until it is committed, and nothing at all when it is undone', async (t) => {
  const [groupId, at, name] = [await createGroup({ name: unique('Old') }), job(), unique('New')];
  const before = await groupOf(groupId);
  const { visibility } = await begin.rename(groupId, name, at);
  t.is(visibility, 'VISIBILITY_OPEN');
  t.like(await groupOf(groupId), { name: before?.name, version: 1 });
  await t.throwsAsync(begin.rename(groupId, name), { code: 'GROUP_BUSY' });
  await t.throwsAsync(begin.create({ name }), { code: 'NAME_TAKEN' });
  await t.throwsAsync(begin.create({ name: before?.name ?? '' }), { code: 'NAME_TAKEN' }, 'it may be undone');
  await undo(at.of('begin'));
  t.deepEqual(await groupOf(groupId), before);
  await createGroup({ name });
  await t.throwsAsync(begin.rename(groupId, name), { code: 'NAME_TAKEN' });
  const again = job();
  await begin.rename(groupId, unique('Third'), again);
  await commit(groupId, again);
  await t.notThrowsAsync(begin.create({ name: before?.name ?? '' }));
  t.deepEqual(await eventsOf(groupId), ['group.created 1', 'group.updated 2']);
});

test('a field that is not given stays; the version that was seen is held to', async (t) => {
  const [groupId, at] = [await createGroup({ description: 'x', visibility: 'VISIBILITY_INVITATION' }), job()];
  const given = { groupId, name: undefined, description: '', visibility: undefined, operationId: at.of('begin') };
  await t.throwsAsync(service.beginUpdateGroup({ ...given, expectedVersion: 2 }, call), { code: 'VERSION_MISMATCH' });
  const { visibility, findableChanges } = await service.beginUpdateGroup({ ...given, expectedVersion: 1 }, call);
  t.is(visibility, 'VISIBILITY_INVITATION');
  t.false(findableChanges);
  await commit(groupId, at);
  t.like(await groupOf(groupId), { description: '', visibility: 'invitation', version: 2 });
});

test('it is said whether others find the group by a change, which no other visibility of a kind and no repetition does', async (t) => {
  const groupId = await createGroup({ visibility: 'VISIBILITY_OPEN' });
  for (const [visibility, changes] of [
    ['VISIBILITY_OPEN', false],
    ['VISIBILITY_REQUEST', false],
    ['VISIBILITY_INVITATION', true],
    ['VISIBILITY_INVITATION', false],
    ['VISIBILITY_OPEN', true],
  ] as const) {
    const at = job();
    const given = { groupId, name: undefined, description: undefined, expectedVersion: undefined, visibility };
    const { findableChanges } = await service.beginUpdateGroup({ ...given, operationId: at.of('begin') }, call);
    t.is(findableChanges, changes, visibility);
    await commit(groupId, at);
  }
});

const WRONG = [
  ['blanks', { name: '  \u3000 ' }, 'name'],
  ['nothing', { name: '' }, 'name'],
  ['101 characters', { name: 'a'.repeat(101) }, 'name'],
  ['10,000 characters', { name: 'あ'.repeat(10_000) }, 'name'],
  ['zero-width characters', { name: 'a\u200bb' }, 'name'],
  ['a change of direction', { name: 'a\u202eb' }, 'name'],
  ['two lines', { name: 'a\nb' }, 'name'],
  ['half a character', { name: 'a\ud800' }, 'name'],
  ['too long a description', { description: 'a'.repeat(501) }, 'description'],
  ['too many tags', { tags: Array.from({ length: MOST_TAGS + 1 }, (_, i) => `t${i}`) }, 'tags'],
  ['too long a tag', { tags: ['ok', 'a'.repeat(51)] }, 'tags[1]'],
  ['no visibility', { visibility: 'VISIBILITY_UNSPECIFIED' }, 'visibility'],
] as const;

for (const [what, fields, field] of WRONG) {
  test(`no group: ${what}`, async (t) => {
    const refused = await t.throwsAsync(begin.create({ ...fields, tags: 'tags' in fields ? [...fields.tags] : [] }));
    t.like(refused, { code: 'INVALID_GROUP', fields: [{ field }] });
  });
}

test('nor does a group become what none is made as', async (t) => {
  const groupId = await createGroup();
  const before = await groupOf(groupId);
  for (const [what, fields, field] of WRONG) {
    if ('tags' in fields) continue;
    const given = { groupId, name: undefined, description: undefined, visibility: undefined, ...fields };
    const refused = await t.throwsAsync(
      service.beginUpdateGroup({ ...given, operationId: job().of('begin') }, call),
      undefined,
      what,
    );
    t.like(refused, { code: 'INVALID_GROUP', fields: [{ field }] }, what);
  }
  t.deepEqual(await groupOf(groupId), before);
});

test('names of one character and of a hundred, also of such that are long in another form, and from right to left', async (t) => {
  const parentId = await createGroup();
  for (const name of ['a', 'b'.repeat(100), 'あ'.repeat(100), '\ufdfa'.repeat(100), 'קבוצה ראשונה', '👩‍👩‍👧‍👦'])
    t.is((await groupOf(await createGroup({ parentId, name })))?.name, name);
});

test('among those in one group a name is one of its kind, whatever its case, width and form; elsewhere it is free', async (t) => {
  const [parentId, other] = [await createGroup(), await createGroup()];
  for (const [name, ...same] of [
    ['Ｓａｌｅｓ　Ｔｅａｍ', 'sales team', ' SALES TEAM '],
    ['が', 'か\u3099'],
    ['ﾃﾞｻﾞｲﾝ', 'デザイン'],
    ['Straße', 'straße'],
  ] as const) {
    await createGroup({ parentId, name });
    for (const one of same)
      t.like(
        await t.throwsAsync(begin.create({ parentId, name: one })),
        { code: 'NAME_TAKEN', fields: [{ field: 'name' }] },
        one,
      );
    await t.notThrowsAsync(createGroup({ parentId: other, name }));
  }
});

test('of two that give the same name at once one is refused', async (t) => {
  const [parentId, name] = [await createGroup(), unique('Same')];
  const results = await Promise.allSettled([1, 2, 3, 4].map(() => createGroup({ parentId, name })));
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const one of results) if (one.status === 'rejected') t.is(one.reason.code, 'NAME_TAKEN');
});

test('the whole organisation can be renamed, and nothing else be done to it', async (t) => {
  const at = job();
  await begin.rename(ROOT, 'Everybody', at);
  await commit(ROOT, at);
  t.is((await groupOf(ROOT))?.name, 'Everybody');
  const hidden = { groupId: ROOT, name: undefined, description: undefined, visibility: 'VISIBILITY_REQUEST' as const };
  const other = { ...hidden, operationId: job().of('begin'), expectedVersion: undefined };
  await t.throwsAsync(service.beginUpdateGroup(other, call), { code: 'ROOT_GROUP' });
  const groupId = await createGroup();
  for (const refused of [begin.move(ROOT, groupId), begin.archive(ROOT), begin.restore(ROOT), begin.delete(ROOT)])
    await t.throwsAsync(refused, { code: 'ROOT_GROUP' });
});

test('in an archived group, and below it, nothing is changed; it can be restored, and deleted', async (t) => {
  const [parentId, other] = [await createGroup(), await createGroup()];
  const groupId = await createGroup({ parentId });
  const [at, back, end] = [job(), job(), job()];
  await t.throwsAsync(begin.restore(parentId), { code: 'GROUP_NOT_ARCHIVED' });
  await begin.archive(parentId, at);
  t.is((await groupOf(parentId))?.archivedAt, null, 'until Auth goes by it');
  await t.throwsAsync(begin.rename(groupId, 'x'), { code: 'GROUP_BUSY' });
  await commit(parentId, at);
  t.truthy((await groupOf(parentId))?.archivedAt);
  for (const refused of [
    ...[begin.rename(parentId, 'x'), begin.rename(groupId, 'x'), begin.create({ parentId }), begin.create({ parentId: groupId })],
    ...[begin.move(groupId, other), begin.move(parentId, other), begin.move(other, groupId)],
    ...[begin.archive(parentId), begin.archive(groupId)],
  ])
    await t.throwsAsync(refused, { code: 'GROUP_ARCHIVED' });
  await t.throwsAsync(begin.restore(groupId), { code: 'GROUP_NOT_ARCHIVED' });
  await begin.delete(groupId, end);
  await undo(end.of('begin'));
  await begin.restore(parentId, back);
  await commit(parentId, back);
  t.is((await groupOf(parentId))?.archivedAt, null);
  await t.notThrowsAsync(begin.rename(groupId, unique('x')));
  t.deepEqual(await eventsOf(parentId), ['group.created 1', 'group.archived 2', 'group.restored 3']);
});

test('what is not there is not found, and what another job holds not committed', async (t) => {
  const [nobody, groupId] = [randomUUID(), await createGroup()];
  for (const missing of [begin.rename(nobody, 'x'), begin.move(nobody, ROOT), begin.archive(nobody), begin.delete(nobody)])
    await t.throwsAsync(missing, { code: 'GROUP_NOT_FOUND' });
  for (const missing of [begin.create({ parentId: nobody }), begin.move(groupId, nobody)])
    t.like(await t.throwsAsync(missing), { code: 'GROUP_NOT_FOUND', fields: [{ field: 'parentId' }] });
  await t.throwsAsync(commit(groupId, job()), { code: 'LOCK_NOT_HELD' });
  await t.throwsAsync(commit(nobody, job()), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(begin.create({ groupId: 'Sales' }), { code: 'INVALID_ARGUMENT' });
});

test('its states are told again, also those that ended, and under a higher version where readers have one', async (t) => {
  const [groupId, memberId] = [await createGroup(), randomUUID()];
  await putMembers(groupId, [memberId]);
  const handlers = groupState(db).handlers as Handlers<StateServiceService>;
  const told = async (aggregateType: string, ids: string[]) => {
    const states = [];
    for await (const state of handlers.tellState({ aggregateType, afterId: '', limit: 0, ids, begun: false }, call))
      states.push(`${state.type} ${state.id} ${state.version}`);
    return states;
  };
  const id = `${groupId}.${memberId}`;
  t.deepEqual(await told('group', [groupId]), [`group.updated ${groupId} 1`]);
  t.deepEqual(await told('membership', [id]), [`membership.changed ${id} 1`]);
  t.true((await told('membership', [])).includes(`membership.changed ${id} 1`));
  const [gone, goneToo] = [randomUUID(), `${groupId}.${randomUUID()}`];
  const raise = (aggregateType: string, ...ids: string[]) =>
    handlers.raiseVersions({ aggregateType, seen: ids.map((each) => ({ type: aggregateType, id: each, version: 7 })) }, call);
  await raise('group', groupId, gone);
  t.like(await groupOf(groupId), { version: 8 });
  t.deepEqual(await eventsOf(gone), ['group.deleted 8']);
  await raise('membership', id, goneToo);
  t.deepEqual(await eventsOf(id), ['membership.changed 8']);
  t.deepEqual(await eventsOf(goneToo), ['membership.settled 8']);
  await raise('membership', id);
  t.like(await membershipOf(groupId, memberId), { version: 8 }, 'it is newer already');
  await raise('group', groupId);
  t.like(await groupOf(groupId), { version: 8 }, 'and so is that');
  // What is only begun is seen by nobody, whatever a reader has.
  const { groupId: begun } = await begin.create();
  const [comes, joining] = [randomUUID(), job()];
  const change = { groupId, memberId: comes, change: 'MEMBERSHIP_CHANGE_JOIN' as const, reason: '', successorId: undefined };
  await service.beginChangeMembership({ operationId: joining.of('begin'), ...change }, call);
  await raise('group', begun);
  await raise('membership', `${groupId}.${comes}`);
  t.deepEqual([(await groupOf(begun))?.version, (await membershipOf(groupId, comes))?.version], [0, 0]);
});

test('a job that has committed lets go of nothing that another one has taken since', async (t) => {
  const [groupId, first, next] = [await createGroup(), job(), job()];
  await begin.rename(groupId, unique('first'), first);
  await commit(groupId, first);
  await begin.rename(groupId, unique('next'), next);
  await undo(first.of('begin'));
  await t.notThrowsAsync(commit(groupId, next));
});
