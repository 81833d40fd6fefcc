import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { DEEPEST, MOST_SUBGROUPS, ROOT } from '#platform/validation/group-fields.ts';
import { call, job, openTestGroup, unique } from '../group.fixture.ts';
import { pathOf } from './tree.ts';

// What a job holds it holds with all that is below: the tests come one after the other, so that none waits for locks of another.

const { db, service, begin, commit, createGroup, groupOf, membershipOf, putMembers, eventsOf, leftOf, undo, close } =
  await openTestGroup('tree');
test.after.always(close);

const move = async (groupId: string, parentId: string): Promise<void> => {
  const at = job();
  await begin.move(groupId, parentId, at);
  await commit(groupId, at);
};
const ancestorsOf = async (groupId: string): Promise<string[]> => (await pathOf(db, groupId)).map((one) => one.groupId).slice(1);

/** Makes groups within each other. @returns their IDs, the topmost first */
async function chain(length: number, parentId: string = ROOT): Promise<string[]> {
  const ids = Array.from({ length }, () => randomUUID());
  await db.query(sql`
    insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
    select id, parent, id, '', 'open', '[]', 1, now(), now()
    from unnest(${ids}::text[], ${[parentId, ...ids.slice(0, -1)]}::text[]) as those (id, parent)`);
  return ids;
}

/** What came of each: how often, by its code. */
async function codesOf(...promises: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const results = await Promise.allSettled(promises);
  const codes = results.map((one) => (one.status === 'fulfilled' ? 'done' : `${one.reason.code}`));
  return Object.fromEntries(
    Map.groupBy(codes, (code) => code)
      .entries()
      .map(([code, those]) => [code, those.length]),
  );
}

test.serial('a group is moved with all that is below it, and back by its undo', async (t) => {
  const [[a = '', b = '', c = ''], d] = [await chain(3), await createGroup()];
  const at = job();
  await begin.move(b, d, at);
  t.deepEqual(await ancestorsOf(c), [b, a, ROOT], 'until Auth goes by it');
  await undo(at.of('begin'));
  t.like(await groupOf(b), { parentId: a, lockHolder: null, version: 1 });
  await move(b, d);
  t.deepEqual(await ancestorsOf(c), [b, d, ROOT]);
  t.deepEqual(await eventsOf(b), ['group.moved 2']);
  t.deepEqual(await leftOf(b), [a, undefined]);
  t.deepEqual(await eventsOf(c), [], 'nothing of it has changed');
  await move(b, d);
  t.like(await groupOf(b), { parentId: d, version: 3 }, 'where it is already');
});

test.serial('no group comes into itself, or into one that is below it', async (t) => {
  const [a = '', b = '', c = ''] = await chain(3);
  for (const parentId of [a, b, c]) await t.throwsAsync(begin.move(a, parentId), { code: 'GROUP_CYCLE' });
  t.deepEqual(await ancestorsOf(c), [b, a, ROOT]);
});

test.serial('of two moves at once that would make a circle one waits, and is then refused', async (t) => {
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await createGroup(), await createGroup()];
    const [one, other] = [job(), job()];
    t.deepEqual(await codesOf(begin.move(a, b, one), begin.move(b, a, other)), { done: 1, GROUP_BUSY: 1 });
    const isOne = (await groupOf(a))?.lockHolder === one.jobId;
    const [moved, left, at] = isOne ? [a, b, one] : [b, a, other];
    await commit(moved, at);
    await t.throwsAsync(begin.move(left, moved), { code: 'GROUP_CYCLE' });
  }
});

test.serial('of three moves at once that would make a circle one waits at least, whichever they are', async (t) => {
  for (let round = 0; round < 10; round++) {
    const [a, b, c] = [await createGroup(), await createGroup(), await createGroup()];
    const all = [a, b, c].map((id, i) => ({ id, to: [b, c, a][i] ?? '', at: job() }));
    const results = await Promise.allSettled(all.map(({ id, to, at }) => begin.move(id, to, at)));
    const begun = all.filter((_, i) => results[i]?.status === 'fulfilled');
    t.true(begun.length >= 1 && begun.length < 3);
    await Promise.all(begun.map(({ id, at }) => commit(id, at)));
    for (const { id } of all) t.is((await ancestorsOf(id)).at(-1), ROOT);
  }
});

test.serial('groups that have nothing to do with each other are moved at the same time', async (t) => {
  const [a, b, to] = [await createGroup(), await createGroup(), await createGroup()];
  const [one, other] = [job(), job()];
  t.deepEqual(await codesOf(begin.move(a, to, one), begin.move(b, to, other)), { done: 2 });
  await t.throwsAsync(begin.move(to, await createGroup()), { code: 'GROUP_BUSY' }, 'others are about to come into it');
  await Promise.all([commit(a, one), commit(b, other)]);
  t.deepEqual(
    [await ancestorsOf(a), await ancestorsOf(b)],
    [
      [to, ROOT],
      [to, ROOT],
    ],
  );
});

test.serial('a group can be 100 deep, and no deeper, whether it is made there or moved', async (t) => {
  const deep = await chain(DEEPEST - 2);
  const last = await createGroup({ parentId: deep.at(-1) ?? '' });
  t.is((await pathOf(db, last)).length, DEEPEST);
  await t.throwsAsync(begin.create({ parentId: last }), { code: 'GROUP_TOO_DEEP' });
  const [a = '', b = ''] = await chain(2);
  await t.throwsAsync(begin.move(b, last), { code: 'GROUP_TOO_DEEP' });
  await t.throwsAsync(begin.move(a, deep.at(-1) ?? ''), { code: 'GROUP_TOO_DEEP' });
  await move(a, deep.at(-2) ?? '');
  t.is((await pathOf(db, b)).length, DEEPEST);
});

test.serial('what is moved or deleted holds all that is below it; what is below is let go with it', async (t) => {
  const to = await createGroup();
  for (const take of [(id: string, at = job()) => begin.move(id, to, at), begin.delete, begin.archive]) {
    const [a = '', b = '', c = ''] = await chain(3);
    const elsewhere = await createGroup();
    const at = job();
    await take(b, at);
    for (const refused of [begin.rename(c, 'x'), begin.create({ parentId: c }), begin.create({ parentId: b }), begin.delete(c)])
      await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
    for (const refused of [begin.delete(a), begin.archive(a), begin.move(elsewhere, c), begin.move(a, elsewhere)])
      await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
    await t.notThrowsAsync(createGroup({ parentId: a }), 'what is above is free');
    await undo(at.of('begin'));
    await t.notThrowsAsync(createGroup({ parentId: c }));
  }
});

test.serial('what others are at is neither moved nor deleted, with what it is in', async (t) => {
  const [a = '', b = '', c = ''] = await chain(3);
  const to = await createGroup();
  const [renaming, making] = [job(), job()];
  await begin.rename(c, unique('x'), renaming);
  for (const id of [a, b, c])
    for (const refused of [begin.move(id, to), begin.delete(id), begin.archive(id)])
      await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
  await undo(renaming.of('begin'));
  await begin.create({ parentId: c }, making);
  for (const refused of [begin.move(a, to), begin.delete(a)]) await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
  await undo(making.of('begin'));
  await t.notThrowsAsync(begin.delete(a));
});

test.serial('nobody comes into a group that is being made, and nobody deletes where a group is about to come', async (t) => {
  const making = job();
  const { groupId } = await begin.create({}, making);
  const [a, to] = [await createGroup(), await createGroup()];
  for (const refused of [begin.move(a, groupId), begin.create({ parentId: groupId })])
    await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
  const moving = job();
  await begin.move(a, to, moving);
  for (const refused of [begin.delete(to), begin.archive(to)]) await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
  await undo(moving.of('begin'));
  await t.notThrowsAsync(begin.delete(to));
});

test.serial('at once: what comes into a group, or its deletion, never both', async (t) => {
  for (let round = 0; round < 10; round++) {
    const [a = '', b = '', c = ''] = await chain(3);
    const stray = await createGroup();
    const [deleting, moving, making] = [job(), job(), job()];
    const groupId = randomUUID();
    const codes = await codesOf(
      begin.delete(a, deleting),
      begin.move(stray, c, moving),
      begin.create({ parentId: b, groupId }, making),
    );
    t.is(codes.INTERNAL, undefined);
    const [doomed, moved, made] = [await groupOf(c), await groupOf(stray), await groupOf(groupId)];
    t.true(doomed?.lockHolder !== deleting.jobId || (moved?.lockHolder === null && made === undefined), `round ${round}`);
    for (const { of } of [deleting, moving, making]) await undo(of('begin'));
  }
});

test.serial('a name is taken also where a group comes from elsewhere', async (t) => {
  const [here, there, name] = [await createGroup(), await createGroup(), unique('Same')];
  const [one, other] = [await createGroup({ parentId: here, name }), await createGroup({ parentId: there, name })];
  await t.throwsAsync(begin.move(one, there), { code: 'NAME_TAKEN' });
  const at = job();
  await begin.rename(other, unique('Else'), at);
  await commit(other, at);
  await move(one, there);
  await t.throwsAsync(begin.create({ parentId: there, name }), { code: 'NAME_TAKEN' });
  await t.notThrowsAsync(begin.create({ parentId: here, name }));
});

test.serial('a group with groups in it is deleted with all of them, or not at all', async (t) => {
  const [a = '', b = '', c = ''] = await chain(3);
  for (const id of [a, b]) await t.throwsAsync(begin.delete(id, job(), false), { code: 'GROUP_NOT_EMPTY' });
  const at = job();
  await begin.delete(a, at);
  for (const id of [a, b, c]) t.is((await groupOf(id))?.lockHolder, at.jobId);
  await undo(at.of('begin'));
  for (const id of [a, b, c]) t.like(await groupOf(id), { lockHolder: null, pending: null, version: 1 });
  await t.notThrowsAsync(begin.delete(c, job(), false));
});

test.serial('what is deleted is purged, memberships first, then the deepest groups, the topmost last', async (t) => {
  const name = unique('Top');
  const [a, memberId] = [await createGroup({ name }), randomUUID()];
  const [b = '', c = ''] = await chain(2, a);
  await putMembers(a, [memberId, ...Array.from({ length: 4 }, () => randomUUID())]);
  await putMembers(c, [memberId]);
  await db.query(sql`update memberships set joined_at = null, version = 2 where group_id = ${c}`);
  const { of } = job();
  const asked = (step: string) => ({ operationId: of(step), groupId: a });
  await begin.delete(a, { jobId: '', of });
  await t.throwsAsync(service.commitGroup(asked('commit'), call), { code: 'LOCK_NOT_HELD' });
  t.deepEqual(await service.countDoomed(asked('count'), call), { groups: 3, memberships: 6 });
  t.deepEqual(await service.purgeMemberships({ ...asked('m/1'), limit: 4 }, call), { memberships: 4 });
  t.deepEqual(await service.purgeMemberships({ ...asked('m/2'), limit: 4 }, call), { memberships: 2 });
  t.deepEqual(await service.purgeMemberships({ ...asked('m/2'), limit: 4 }, call), { memberships: 2 }, 'as it was answered');
  const late = randomUUID();
  await putMembers(b, [late]);
  const first = await service.purgeGroups({ ...asked('g/1'), limit: 2 }, call);
  t.deepEqual(first.groupIds, [c, b]);
  t.deepEqual(await leftOf(c), [b, true]);
  t.deepEqual(first.written[0], { type: 'group', id: c, version: 2 });
  t.truthy(await groupOf(a));
  const last = await service.purgeGroups({ ...asked('g/2'), limit: 2 }, call);
  t.deepEqual(last.groupIds, [a]);
  t.deepEqual(await service.purgeGroups({ ...asked('g/3'), limit: 2 }, call), { written: [], groupIds: [] });
  t.deepEqual(await eventsOf(a), ['group.created 1', 'group.deleted 2']);
  t.deepEqual(await eventsOf(`${a}.${memberId}`), ['membership.ended 2']);
  t.deepEqual(await eventsOf(`${c}.${memberId}`), [], 'it had ended before');
  t.deepEqual(await eventsOf(`${b}.${late}`), ['membership.ended 2'], 'an undo had brought it back meanwhile');
  t.is(await membershipOf(a, memberId), undefined);
  await t.notThrowsAsync(createGroup({ name }), 'its name is free');
});

test.serial('of one that is deleted it is told whether everybody could find it', async (t) => {
  for (const [visibility, wasFindable] of [
    ['VISIBILITY_OPEN', true],
    ['VISIBILITY_REQUEST', true],
    // Not said: it could not.
    ['VISIBILITY_INVITATION', undefined],
  ] as const) {
    const [groupId, { of }] = [await createGroup({ visibility }), job()];
    await begin.delete(groupId, { jobId: '', of });
    await service.purgeGroups({ operationId: of('g'), groupId, limit: 1 }, call);
    t.deepEqual(await leftOf(groupId), [ROOT, wasFindable], visibility);
  }
});

test.serial('10,000 groups are next to each other, and not one more; they are read by an index', async (t) => {
  const parentId = await createGroup();
  await db.query(sql`
    insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
    select gen_random_uuid()::text, ${parentId}, 'n' || n, '', 'open', '[]', 1, now(), now() from generate_series(2, ${MOST_SUBGROUPS}) n`);
  await db.query(sql`analyze groups`);
  const codes = await codesOf(...Array.from({ length: 4 }, () => createGroup({ parentId })));
  t.deepEqual(codes, { done: 1, TOO_MANY_SUBGROUPS: 3 });
  await t.throwsAsync(begin.move(await createGroup(), parentId), { code: 'TOO_MANY_SUBGROUPS' });
  await db.query(sql`delete from groups where parent_id = ${parentId} and name = 'n2'`);
  const coming = [job(), job()];
  const moves = [begin.move(await createGroup(), parentId, coming[0]), begin.move(await createGroup(), parentId, coming[1])];
  t.deepEqual(await codesOf(...moves), { done: 1, TOO_MANY_SUBGROUPS: 1 });
  for (const { of } of coming) await undo(of('begin'));
  const plan = await db.query<{ 'QUERY PLAN': string }>(sql`explain select count(*) from groups where parent_id = ${ROOT}`);
  t.regex(plan.map((row) => row['QUERY PLAN']).join('\n'), /Index (Only )?Scan using groups_within/);
  const begun = performance.now();
  const at = job();
  await begin.delete(parentId, at);
  t.deepEqual(await service.countDoomed({ operationId: at.of('count'), groupId: parentId }, call), {
    groups: MOST_SUBGROUPS,
    memberships: 0,
  });
  await undo(at.of('begin'));
  t.true(performance.now() - begun < 10_000);
});
