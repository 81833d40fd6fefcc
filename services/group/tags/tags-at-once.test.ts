import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { groupErasure } from '../erasure.ts';
import { call, job } from '../group.fixture.ts';
import { openTestTags } from './tags.fixture.ts';

const {
  db,
  service,
  begin,
  commit,
  beginChange,
  change,
  commitTag,
  put,
  beginMembership,
  createGroup,
  groupOf,
  membershipOf,
  putMembers,
  namesOf,
  carried,
  ground,
  closeAndLeave,
  undo,
  close,
} = await openTestTags('tags_at_once');
test.after.always(close);

test('while a job changes the set, no other does, and nothing gets a tag of it', async (t) => {
  const { groupId, on } = await ground('a', 'b');
  for (const isUndone of [true, false]) {
    const at = job();
    await beginChange(groupId, 'RENAME', 'a', { name: 'c' }, at);
    for (const other of [
      ...[beginChange(groupId, 'RENAME', 'b', { name: 'd' }), beginChange(groupId, 'REMOVE', 'a')],
      ...on.map((one) => begin.tag(groupId, 'a', one)),
    ])
      await t.throwsAsync(other, { code: 'GROUP_BUSY' });
    await (isUndone ? undo(at.of('begin')) : commit(groupId, at));
  }
  t.deepEqual(await namesOf(groupId), ['b', 'c']);
  const results = await Promise.allSettled(
    ['x', 'y', 'z'].map((name) => change(groupId, 'RENAME', 'c', { name }).then(() => name)),
  );
  const [done] = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  t.deepEqual(await namesOf(groupId), ['b', done]);
  for (const one of results) if (one.status === 'rejected') t.regex(one.reason.code, /^(GROUP_BUSY|TAG_NOT_FOUND)$/);
});

test('a tag that is renamed, merged or removed while it is put on something is what it has become', async (t) => {
  for (const [what, name, expected] of [
    ['RENAME', 'new', ['new']],
    ['RENAME', 'b', ['b']],
    ['REMOVE', undefined, []],
  ] as const) {
    const { groupId, on } = await ground('a', 'b');
    const jobs = on.map(() => job());
    for (const [index, one] of on.entries()) await begin.tag(groupId, 'a', one, true, jobs[index]);
    await change(groupId, what, 'a', { merge: true, ...(name ? { name } : {}) });
    for (const at of jobs) await commitTag(at);
    for (const one of on) t.deepEqual(await carried(groupId, one), [...expected], `${what} ${name}`);
  }
});

test('what another job moves, takes out or tags itself gets no tag meanwhile, and the other way about', async (t) => {
  const { groupId, subgroupId, memberId, on } = await ground('a', 'b');
  const elsewhere = await createGroup();
  const leave = (at = job()) => beginMembership(groupId, memberId, 'LEAVE', at);
  for (const one of on) {
    const at = job();
    await begin.tag(groupId, 'a', one, true, at);
    const code = 'memberId' in one ? 'MEMBERSHIP_BUSY' : 'GROUP_BUSY';
    await t.throwsAsync(begin.tag(groupId, 'b', one), { code });
    if ('memberId' in one) {
      await t.throwsAsync(leave(), { code });
      const deleting = job();
      await t.throwsAsync(closeAndLeave(memberId, deleting), { code });
      await undo(deleting.of('close'));
    } else for (const moved of [subgroupId, groupId]) await t.throwsAsync(begin.move(moved, elsewhere), { code });
    for (const other of [begin.archive(groupId), begin.delete(groupId)]) await t.throwsAsync(other, { code: 'GROUP_BUSY' });
    await undo(at.of('begin'));
    t.deepEqual(await carried(groupId, one), []);
  }
  const [leaving, moving, deleting] = [job(), job(), job()];
  await leave(leaving);
  await t.throwsAsync(begin.tag(groupId, 'a', { memberId }), { code: 'MEMBERSHIP_BUSY' });
  await undo(leaving.of('begin'));
  await begin.move(subgroupId, ROOT, moving);
  await t.throwsAsync(begin.tag(groupId, 'a', { subgroupId }), { code: 'GROUP_BUSY' });
  await undo(moving.of('begin'));
  await begin.delete(groupId, deleting);
  for (const other of [beginChange(groupId, 'PUT', 'c'), ...on.map((one) => begin.tag(groupId, 'a', one))])
    await t.throwsAsync(other, { code: 'GROUP_BUSY' });
  await undo(deleting.of('begin'));
  const results = await Promise.allSettled(['a', 'b'].map((tag) => put(groupId, tag, { memberId })));
  t.is((await carried(groupId, { memberId })).length, results.filter(({ status }) => status === 'fulfilled').length);
});

test('in an archived group no set changes, and nothing gets a tag', async (t) => {
  const { groupId, subgroupId, on } = await ground('a');
  const within = await createGroup({ parentId: subgroupId, tags: ['b'] });
  const archive = async (id: string) => {
    const at = job();
    await begin.archive(id, at);
    await commit(id, at);
  };
  await archive(groupId);
  for (const other of [
    ...[beginChange(groupId, 'PUT', 'c'), beginChange(within, 'REMOVE', 'b')],
    ...on.flatMap((one) => [begin.tag(groupId, 'a', one), begin.tag(groupId, 'a', one, false)]),
  ])
    await t.throwsAsync(other, { code: 'GROUP_ARCHIVED' });
});

test('tags stay behind when a group is moved, and when a member goes; an undo brings them back', async (t) => {
  const { groupId, subgroupId, memberId, on } = await ground('a', 'b');
  for (const one of on) for (const tag of ['a', 'b']) await put(groupId, tag, one);
  const before = (await membershipOf(groupId, memberId))?.tagIds;
  t.is(before?.length, 2);
  const deleting = job();
  await closeAndLeave(memberId, deleting);
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, tagIds: null });
  await undo(deleting.of('leave'));
  t.deepEqual((await membershipOf(groupId, memberId))?.tagIds, before);
  const [told] = await db.query<{ payload: unknown }>(
    sql`select payload from outbox where aggregateid = ${`${groupId}.${memberId}`} order by version desc limit 1`,
  );
  t.like(told?.payload, { membership: { tagIds: before } });
  await groupErasure(db).erase([memberId]);
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, tagIds: null });
  const moving = job();
  await begin.move(subgroupId, ROOT, moving);
  t.is((await groupOf(subgroupId))?.tagIds.length, 2, 'until it is moved');
  await commit(subgroupId, moving);
  t.deepEqual((await groupOf(subgroupId))?.tagIds, []);
  const member = randomUUID();
  await putMembers(groupId, [member]);
  await put(groupId, 'a', { memberId: member });
  for (const what of ['LEAVE', 'ADD'] as const) {
    const at = job();
    await beginMembership(groupId, member, what, at);
    await service.commitMembership({ operationId: at.of('commit') }, call);
    t.deepEqual((await membershipOf(groupId, member))?.tagIds, null, what);
  }
});

test('of what was begun the undo leaves nothing; what no job holds is not committed, and nothing by another step', async (t) => {
  const { groupId, subgroupId, memberId, on } = await ground('a');
  for (const one of on) {
    const before = [await groupOf(subgroupId), await membershipOf(groupId, memberId)];
    const at = job();
    await begin.tag(groupId, 'a', one, true, at);
    t.deepEqual(await carried(groupId, one), []);
    if ('memberId' in one)
      await t.throwsAsync(service.commitMembership({ operationId: at.of('commitMembership') }, call), { code: 'LOCK_NOT_HELD' });
    await undo(at.of('begin'));
    t.deepEqual([await groupOf(subgroupId), await membershipOf(groupId, memberId)], before);
    await t.throwsAsync(commitTag(at), { code: 'LOCK_NOT_HELD' });
  }
});
