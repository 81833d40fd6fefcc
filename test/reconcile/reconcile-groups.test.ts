import anyTest, { type ExecutionContext } from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import type { GroupKind } from '../../worker/reconcile/drift.ts';
import { reconcile } from '../../worker/reconcile/reconcile.ts';
import { type Access, groupOf, leftUntold, openAccess, standingOf, there } from './reconcile.fixture.ts';

// Each way in which Auth can differ from Group and Position, planted in the stores. What is no difference, or takes nothing away: reconcile-groups-left-alone.test.ts.

// One after the other: each opens databases, and much of that at once is too much for a small machine.
const test = anyTest.serial;

const system = async (t: ExecutionContext): Promise<Access> => {
  const access = await openAccess();
  t.teardown(access.close);
  return access;
};

let shared: Access;
test.before(async () => {
  shared = await openAccess();
  await shared.member(['admin']);
});
test.after.always(() => shared?.close());

/** The groups and positions of a member, as Auth has them. */
const inAuth = async ({ auth }: Access, memberId: string): Promise<(string | undefined)[]> => {
  const { groupIds = [], positionIds = [] } = (await auth.store.members.findOne({ _id: memberId })) ?? {};
  return [...groupIds, ...positionIds];
};
const positionsOf = (group: { positions: { positionId: string }[] }): string[] =>
  group.positions.map(({ positionId }) => positionId).sort();

interface Planted {
  id: string;
  /** Who is asked again about what it follows. */
  narrowed: string;
  agrees: () => Promise<boolean | undefined>;
}

/** What is planted, and what is found of it. */
const PLANTED: Record<GroupKind, (access: Access) => Promise<Planted>> = {
  async 'unknown-group'(access) {
    const { peers } = access;
    const [groupId, { memberId }] = [newId(), await access.member()];
    await access.group();
    const { positions } = there(await groupOf(access, await access.group({ leaderId: memberId })));
    const planted = { groupId, parentId: ROOT, findable: true, leaderId: memberId };
    await peers.auth.addGroup({ operationId: `${newId()}/auth.addGroup`, ...planted, positions });
    // Group says that it was deleted.
    await peers.group.giveUpGroups({ groupIds: [groupId] });
    const agrees = async () =>
      (await groupOf(access, groupId)) === undefined && !(await inAuth(access, memberId)).includes(groupId);
    return { id: groupId, narrowed: 'all', agrees };
  },
  async 'absent-group'(access) {
    const { memberId } = await access.member();
    const groupId = await access.group({ leaderId: memberId });
    const before = there(await groupOf(access, groupId));
    await access.auth.store.groups.deleteOne({ _id: groupId });
    const agrees = async () => {
      const now = await groupOf(access, groupId);
      return (
        now !== undefined &&
        now.version > before.version &&
        now.path.join() === before.path.join() &&
        positionsOf(now).join() === positionsOf(before).join()
      );
    };
    return { id: groupId, narrowed: 'all', agrees };
  },
  async 'group-path'(access) {
    const [from, to] = [await access.group(), await access.group()];
    const moved = await access.group({ parentId: from });
    const below = await access.group({ parentId: moved });
    await access.groupDb.query(sql`update groups set parent_id = ${to} where group_id = ${moved}`);
    const agrees = async () => (await groupOf(access, below))?.path.join() === [ROOT, to, moved, below].join();
    return { id: moved, narrowed: 'all', agrees };
  },
  async 'group-visibility'(access) {
    const groupId = await access.group();
    await access.auth.store.groups.updateOne({ _id: groupId }, { $set: { findable: false } });
    return { id: groupId, narrowed: 'all', agrees: async () => (await groupOf(access, groupId))?.findable };
  },
  async 'group-positions'(access) {
    const groupId = await access.group();
    await access.position(groupId);
    const before = there(await groupOf(access, groupId));
    const planted = { id: newId(), kind: null, permissions: [{ action: 'group.delete', reach: 'subtree' as const }] };
    // One is missing, one permits more, and one was never made.
    const [, changed] = (await access.auth.store.groups.findOne({ _id: groupId }))?.positions ?? [];
    const positions = [
      { ...changed, id: changed?.id ?? '', kind: changed?.kind ?? null, permissions: planted.permissions },
      planted,
    ];
    await access.auth.store.groups.updateOne({ _id: groupId }, { $set: { positions } });
    const said = (group: { positions: object[] }) => group.positions.map((one) => JSON.stringify(one)).sort();
    const agrees = async () => said(there(await groupOf(access, groupId))).join() === said(before).join();
    return { id: groupId, narrowed: 'all', agrees };
  },
  async 'orphan-positions'(access) {
    const { memberId } = await access.member();
    await access.group();
    const groupId = await access.group({ leaderId: memberId });
    const [bound] = there(await standingOf(access, groupId, memberId)).positionIds;
    await access.auth.store.groups.deleteOne({ _id: groupId });
    await access.groupDb.query(sql`delete from groups where group_id = ${groupId}`);
    await access.peers.group.giveUpGroups({ groupIds: [groupId] });
    const agrees = async () => {
      const left = await access.positionDb.query(sql`select from positions where group_id = ${groupId}`);
      return left.length === 0 && !(await inAuth(access, memberId)).includes(bound);
    };
    return { id: groupId, narrowed: 'all', agrees };
  },
  async 'extra-membership'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    await leftUntold(access, groupId, memberId);
    const agrees = async () => !(await standingOf(access, groupId, memberId))?.isMember;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
  async 'missing-membership'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    await access.standing(groupId, memberId);
    await access.auth.store.members.updateOne({ _id: memberId }, { $set: { groupIds: [] } });
    const agrees = async () => (await standingOf(access, groupId, memberId))?.isMember;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
  async 'extra-binding'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    const positionId = await access.position(groupId);
    await access.standing(groupId, memberId);
    await access.auth.store.members.updateOne({ _id: memberId }, { $push: { positionIds: positionId } });
    const agrees = async () => (await standingOf(access, groupId, memberId))?.positionIds.length === 0;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
  async 'extra-invitation'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    await leftUntold(access, groupId, memberId);
    await access.auth.store.members.updateOne(
      { _id: memberId },
      { $set: { invitedTo: [groupId] }, $pull: { groupIds: groupId } },
    );
    const agrees = async () => !(await standingOf(access, groupId, memberId))?.isInvited;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
  async 'missing-invitation'(access) {
    const [groupId, { memberId }, inviter] = [await access.group(), await access.member(), await access.member()];
    const step = access.job();
    const asked = { groupId, memberId, change: 'MEMBERSHIP_CHANGE_INVITE' as const, reason: '', inviterId: inviter.memberId };
    await step('group', 'beginChangeMembership', asked);
    await step('auth', 'changeStandings', { groupId, changes: [{ memberId, isInvited: true, positions: undefined }] });
    await step('group', 'commitMembership');
    await access.auth.store.members.updateOne({ _id: memberId }, { $unset: { invitedTo: '' } });
    const agrees = async () => (await standingOf(access, groupId, memberId))?.isInvited;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
  async 'unknown-position'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    const [mine, stray] = [await access.position(groupId), newId()];
    await access.standing(groupId, memberId, mine);
    const { members } = access.auth.store;
    await members.updateOne({ _id: memberId }, { $push: { positionIds: stray } });
    const agrees = async () => (await members.findOne({ _id: memberId }))?.positionIds?.join() === mine;
    return { id: `.${memberId}`, narrowed: memberId, agrees };
  },
  async 'missing-binding'(access) {
    const [groupId, { memberId }] = [await access.group(), await access.member()];
    const positionId = await access.position(groupId);
    await access.standing(groupId, memberId, positionId);
    await access.auth.store.members.updateOne({ _id: memberId }, { $set: { positionIds: [] } });
    const agrees = async () => (await standingOf(access, groupId, memberId))?.positionIds.join() === positionId;
    return { id: `${groupId}.${memberId}`, narrowed: memberId, agrees };
  },
};

for (const [kind, plant] of Object.entries(PLANTED)) {
  test(`${kind} is found, put right once, and told`, async (t) => {
    const access = shared;
    const { id, narrowed, agrees } = await plant(access);
    Object.assign(access.lines, { length: 0 });
    Object.assign(access.sockets, { length: 0 });
    t.false(await agrees());
    const { repaired, left } = await reconcile(access.context);
    t.deepEqual(left, []);
    // What positions are missing is found after what there is of groups.
    const more = { 'absent-group': { 'group-positions': 1 }, 'group-positions': { 'group-positions': 2 } }[kind];
    t.deepEqual(repaired, { [kind]: 1, ...more });
    t.true(await agrees());
    t.true(access.sockets.length > 0 && access.sockets.every((one) => one === `narrowed ${narrowed}`));
    t.like(access.lines[0], { id, kinds: [kind] });
    t.deepEqual((await reconcile(access.context)).repaired, {}, 'it agrees now');
  });
}

test('to what a member is bound in a group that it is not in is found, too, as policies may go by it', async (t) => {
  const access = shared;
  const [groupId, { memberId }] = [await access.group(), await access.member()];
  const positionId = await access.position(groupId);
  await access.auth.store.members.updateOne({ _id: memberId }, { $set: { positionIds: [positionId] } });
  t.deepEqual((await reconcile(access.context)).repaired, { 'extra-binding': 1 });
  t.deepEqual((await access.auth.store.members.findOne({ _id: memberId }))?.positionIds, []);
});

test('all groups that Auth has lost come back, each after the one that it is in, with all who are in them', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  const ids: string[] = [];
  for (let depth = 0; depth < 5; depth++) ids.push(await access.group({ parentId: ids.at(-1) ?? ROOT, leaderId: memberId }));
  const { groups, members } = access.auth.store;
  const seen = async () => JSON.stringify((await groups.find().sort({ _id: 1 }).toArray()).map(({ _id, path }) => [_id, path]));
  const before = await seen();
  await groups.deleteMany({});
  await members.updateMany({}, { $set: { groupIds: [], positionIds: [] } });
  const { repaired, left } = await reconcile(access.context);
  const all = { 'absent-group': 6, 'group-positions': 6, 'missing-membership': 5, 'missing-binding': 5 };
  t.deepEqual([repaired, left], [all, []]);
  t.is(await seen(), before);
  t.deepEqual((await reconcile(access.context)).repaired, {});
});
