import anyTest, { type ExecutionContext } from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import { reconcile } from '../../worker/reconcile/reconcile.ts';
import { type Access, openAccess, there } from './reconcile.fixture.ts';

// Group or Position come back empty, or older than Auth and each other: what they do not know is not taken away, and what can be is made again.

// One after the other: each opens databases, and much of that at once is too much for a small machine.
const test = anyTest.serial;

const system = async (t: ExecutionContext): Promise<Access> => {
  const access = await openAccess();
  t.teardown(access.close);
  return access;
};

const groupOf = async ({ peers }: Access, groupId: string) =>
  (await peers.auth.listGroups({ afterId: '', limit: 0, groupIds: [groupId] })).groups[0];
const standingOf = async ({ peers }: Access, groupId: string, memberId: string) =>
  (await peers.auth.listStandings({ ids: [`${groupId}.${memberId}`], memberIds: [] })).standings[0];
const left = (kind: 'unknown-group' | 'orphan-positions' | 'group-positions', code: string, ...ids: string[]) =>
  ids.toSorted().map((id) => ({ kind, id, code }));

test('a Group that tells of nothing, or has begun anew, has nothing taken away', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  const ids = [await access.group({ leaderId: memberId }), await access.group({ leaderId: memberId })];
  await access.groupDb.query(sql`truncate groups, names, memberships, closings, holds`);
  t.deepEqual((await reconcile(access.context)).left, left('unknown-group', 'STORE_EMPTY', ...ids, ROOT));
  await access.peers.group.ensureRoot({});
  t.deepEqual((await reconcile(access.context)).left, left('unknown-group', 'STORE_EMPTY', ...ids));
  await access.group();
  const { repaired, ...last } = await reconcile(access.context);
  t.deepEqual([repaired, last.left], [{}, left('unknown-group', 'STORE_OLDER', ...ids)]);
  t.true((await standingOf(access, ids[0] ?? '', memberId))?.isMember);
});

test('groups that an older Group does not know stay, and are told of, with their positions, until they are given up', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  for (let i = 0; i < 3; i++) await access.group({ leaderId: memberId });
  const [newer, orphaned] = [await access.group({ leaderId: memberId }), await access.group({ leaderId: memberId })];
  await access.groupDb.query(sql`delete from groups where group_id = any(${[newer, orphaned]}::text[])`);
  await access.auth.store.groups.deleteOne({ _id: orphaned });
  const found = await reconcile(access.context);
  const both = [...left('unknown-group', 'STORE_OLDER', newer), ...left('orphan-positions', 'STORE_OLDER', orphaned)];
  t.deepEqual([found.repaired, found.left], [{}, both]);
  t.truthy(await groupOf(access, newer));
  t.true((await standingOf(access, newer, memberId))?.isMember);

  const { group } = access.peers;
  await t.throwsAsync(group.giveUpGroups({ groupIds: [await access.group()] }), { code: 'INVALID_ARGUMENT' });
  for (let i = 0; i < 2; i++) await group.giveUpGroups({ groupIds: [newer, orphaned] });
  const given = await reconcile(access.context);
  t.deepEqual([given.repaired, given.left], [{ 'unknown-group': 1, 'orphan-positions': 1 }, []]);
  t.is(await groupOf(access, newer), undefined);
  t.deepEqual(await access.positionDb.query(sql`select from positions where group_id = any(${[newer, orphaned]}::text[])`), []);
  const { groupIds, positionIds } = (await access.auth.store.members.findOne({ _id: memberId })) ?? {};
  t.deepEqual([groupIds?.length, positionIds?.length], [3, 3], 'nobody is in them any more');
  t.deepEqual((await reconcile(access.context)).repaired, {});
});

test('a group that was deleted since goes from an older Auth and an older Position, however many are', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  const kept = await access.group({ leaderId: memberId });
  const deleted = [await access.group({ leaderId: memberId }), await access.group({ leaderId: memberId })];
  const { groups } = access.auth.store;
  const copies = await groups.find({ _id: { $in: deleted } }).toArray();
  for (const groupId of deleted) {
    const step = access.job();
    await step('group', 'beginDeleteGroup', { groupId, cascade: true });
    await step('group', 'purgeMemberships', { groupId, limit: 10 });
    await step('group', 'purgeGroups', { groupId, limit: 10 });
  }
  t.is(copies.length, 2);
  const { repaired, left } = await reconcile(access.context);
  t.deepEqual([repaired, left], [{ 'unknown-group': 2 }, []]);
  t.deepEqual((await groups.find().toArray()).map(({ _id }) => _id).sort(), [kept, ROOT].sort());
});

test('who is in groups stays there while Group has lost who is in them, and is bound while Position has lost that', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  const groupId = await access.group({ leaderId: memberId });
  const before = [await standingOf(access, groupId, memberId), await groupOf(access, groupId)];
  await access.groupDb.query(sql`truncate memberships`);
  const id = `${groupId}.${memberId}`;
  // That everybody is in the whole organisation again says nothing of other groups.
  for (const repaired of [{ 'missing-membership': 1 }, {}])
    t.like(await reconcile(access.context), { repaired, left: [{ kind: 'extra-membership', id, code: 'STORE_OLDER' }] });
  await access.groupDb.query(sql`
    insert into memberships (group_id, member_id, joined_at, version) values (${groupId}, ${memberId}, now(), 1)`);
  await access.positionDb.query(sql`truncate bindings, binding_versions`);
  t.deepEqual((await reconcile(access.context)).left, [{ kind: 'extra-binding', id, code: 'STORE_EMPTY' }]);
  await access.positionDb.query(sql`truncate positions, names, bindings, binding_versions`);
  t.deepEqual((await reconcile(access.context)).left, left('group-positions', 'STORE_EMPTY', groupId, ROOT));
  t.deepEqual([await standingOf(access, groupId, memberId), await groupOf(access, groupId)], before);
});

test('a group that an older Position does not know gets its default positions again, as Auth has them, with who leads it', async (t) => {
  const access = await system(t);
  const [{ memberId: leaderId }, { memberId }] = [await access.member(['admin']), await access.member()];
  await access.group({ leaderId });
  const groupId = await access.group({ leaderId });
  await access.standing(groupId, memberId);
  // What members may do there was narrowed.
  const { groups } = access.auth.store;
  const ofMembers = (await groups.findOne({ _id: groupId }))?.positions.find(({ kind }) => kind === 'member');
  await groups.updateOne({ _id: groupId, 'positions.kind': 'member' }, { $set: { 'positions.$.permissions': [] } });
  const before = await groupOf(access, groupId);
  const lose = async (): Promise<void> => {
    for (const table of [sql`names`, sql`bindings`, sql`binding_versions`, sql`positions`])
      await access.positionDb.query(sql`delete from ${table} where group_id = ${groupId}`);
  };
  await lose();
  const change = { groupId, memberId: leaderId, bind: [], release: [], releaseAll: true };
  const leave = access.job();
  t.deepEqual(
    await leave('position', 'beginChangeBindings', change),
    {
      bindings: [{ memberId: leaderId, positionIds: [] }],
      tenure: { prolongedIds: [], shortens: false, endingSoonerIds: [] },
      terms: [],
    },
    'who goes is not held up by it meanwhile',
  );
  const bind = { ...change, bind: [ofMembers?.id ?? ''], releaseAll: false };
  await leave('position', 'commitBindings');
  await t.throwsAsync(async () => access.job()('position', 'beginChangeBindings', bind), { code: 'GROUP_NOT_FOUND' });

  const { repaired, left } = await reconcile(access.context);
  t.deepEqual([repaired, left], [{ 'group-positions': 1 }, []]);
  t.deepEqual(await groupOf(access, groupId), before, 'Auth has what it had');
  t.is((await standingOf(access, groupId, leaderId))?.positionIds.length, 1);
  const made = await access.positionDb.query<{ kind: string; permissions: object[]; version: number }>(sql`
    select kind, permissions, version from positions where group_id = ${groupId} order by kind`);
  t.deepEqual(
    made.map(({ kind, permissions }) => [kind, permissions.length > 0]),
    [
      ['leader', true],
      ['member', false],
    ],
  );
  t.true(
    made.every(({ version }) => version > 1_000_000),
    'above what readers have',
  );
  const [bound] = await access.positionDb.query<{ memberId: string; version: number }>(sql`
    select member_id as "memberId", version from binding_versions where group_id = ${groupId}`);
  t.is(bound?.memberId, leaderId);
  t.true((bound?.version ?? 0) > 1_000_000);
  t.deepEqual((await reconcile(access.context)).repaired, {});
  const again = access.job();
  t.like(
    await again('position', 'beginChangeBindings', change),
    { tenure: { leaders: { memberIds: [] } } },
    'it has a leader again, who is the last',
  );
  await again('position', 'commitBindings');
});

test('who is being deleted while the positions of its group are made again leads it again, should that be undone', async (t) => {
  const access = await system(t);
  const [{ memberId: leaderId }, { memberId: other }] = [await access.member(['admin']), await access.member()];
  await access.group({ leaderId: other });
  const groupId = await access.group({ leaderId });
  for (const table of [sql`names`, sql`bindings`, sql`binding_versions`, sql`positions`])
    await access.positionDb.query(sql`delete from ${table} where group_id = ${groupId}`);
  const { positionIds } = there(await standingOf(access, groupId, leaderId));
  const bound = async () =>
    (await access.positionDb.query(sql`select from bindings where group_id = ${groupId} and member_id = ${leaderId}`)).length;

  const deletion = access.job();
  await deletion('member', 'closeMember', { memberId: leaderId });
  await deletion('position', 'closeMember', { memberId: leaderId });
  await deletion('group', 'closeMember', { memberId: leaderId });
  await deletion('group', 'leaveAllGroups', { memberId: leaderId });
  const { repaired, left } = await reconcile(access.context);
  t.deepEqual([repaired['group-positions'], left], [undefined, []], 'it is waited for');
  await deletion.undo('group', 'leaveAllGroups');
  await deletion.undo('group', 'closeMember');
  await deletion.undo('member', 'closeMember');
  // Only Position has it closed: it is an older copy, from the middle of a deletion that was undone.
  t.deepEqual((await reconcile(access.context)).repaired, { 'group-positions': 1 });
  t.is(await bound(), 1);
  t.deepEqual((await reconcile(access.context)).repaired, {});
  t.deepEqual(there(await standingOf(access, groupId, leaderId)).positionIds, positionIds);
});

test('nor is anything made while a job is at what one who leads is bound to', async (t) => {
  const access = await system(t);
  const [{ memberId: leaderId }, { memberId: other }] = [await access.member(['admin']), await access.member()];
  await access.group({ leaderId: other });
  const groupId = await access.group({ leaderId });
  for (const table of [sql`names`, sql`bindings`, sql`binding_versions`, sql`positions`])
    await access.positionDb.query(sql`delete from ${table} where group_id = ${groupId}`);
  const leaves = access.job();
  await leaves('position', 'beginChangeBindings', { groupId, memberId: leaderId, bind: [], release: [], releaseAll: true });
  t.deepEqual((await reconcile(access.context)).repaired, {});
  await leaves.undo('position', 'beginChangeBindings');
  t.deepEqual((await reconcile(access.context)).repaired, { 'group-positions': 1 });
  t.is(there(await standingOf(access, groupId, leaderId)).positionIds.length, 1);
  t.deepEqual((await reconcile(access.context)).repaired, {});
});

test('where Position does not know of more groups than it knows, nothing is made in them: it has begun anew', async (t) => {
  const access = await system(t);
  const { memberId: leaderId } = await access.member(['admin']);
  const ids = [await access.group({ leaderId }), await access.group({ leaderId })];
  await access.positionDb.query(sql`truncate positions, names, bindings, binding_versions`);
  await access.peers.position.ensureRootPositions({});
  t.deepEqual((await reconcile(access.context)).left, left('group-positions', 'STORE_EMPTY', ...ids));
  await access.group();
  const { repaired, ...found } = await reconcile(access.context);
  t.deepEqual(
    [repaired, found.left.filter(({ kind }) => kind === 'group-positions')],
    [{}, left('group-positions', 'TOO_MANY', ...ids)],
  );
});

test('everybody is in the whole organisation: who is not is taken in, but not who is being registered or deleted', async (t) => {
  const access = await system(t);
  const all = [await access.member(['admin']), await access.member(), await access.member(), await access.member()];
  const [{ memberId: admin }, { memberId: lost }, { memberId: left }, { memberId: leaving }] = all as [any, any, any, any];
  const inRoot = async (memberId: string) => {
    const [row] = await access.groupDb.query<{ joinedAt: Date | null; version: number }>(sql`
      select joined_at as "joinedAt", version from memberships where group_id = ${ROOT} and member_id = ${memberId}`);
    return row && { isIn: row.joinedAt !== null, version: row.version };
  };
  await access.groupDb.query(sql`delete from memberships where member_id = any(${[lost, leaving]}::text[])`);
  await access.groupDb.query(sql`update memberships set joined_at = null, version = 7 where member_id = ${left}`);
  const pending = newId();
  const profile = { loginId: `m.${pending}`, displayName: 'M', email: 'm@example.com' };
  await access.job()('member', 'createMember', { memberId: pending, ...profile });
  const [registered, leave] = [newId(), access.job()];
  await leave('member', 'closeMember', { memberId: leaving });
  Object.assign(access.lines, { length: 0 });
  const { repaired, left: found } = await reconcile(access.context);
  t.deepEqual([repaired, found], [{ 'missing-membership': 2 }, []]);
  t.deepEqual(access.lines.map(({ id }) => id).sort(), [lost, left].map((id) => `${ROOT}.${id}`).sort());
  t.deepEqual(
    [await inRoot(lost), await inRoot(left)],
    [
      { isIn: true, version: 1 },
      { isIn: true, version: 8 },
    ],
  );
  t.deepEqual([await inRoot(pending), await inRoot(leaving), await inRoot(registered)], [undefined, undefined, undefined]);
  t.is((await inRoot(admin))?.version, 1, 'who is in it stays so');
  t.deepEqual((await reconcile(access.context)).repaired, {});
});
