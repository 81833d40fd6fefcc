import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { type Grant, PositionKind, Reach } from '#proto/musubi/position/v1/position.ts';
import { authenticate, check } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { logIn } from '../rpcs/log-in.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Auth's copy of the groups: where they are, what their positions grant, and who is in them.

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
  await putRootGroup(auth.store, [grant(PositionKind.POSITION_KIND_MEMBER)]);
});
test.after.always(() => auth?.close());

const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };

function grant(kind: PositionKind, ...permissions: [action: string, reach: 'here' | 'subtree'][]): Grant {
  const reachOf = { here: Reach.REACH_HERE, subtree: Reach.REACH_SUBTREE };
  return {
    positionId: randomUUID(),
    kind,
    permissions: permissions.map(([action, reach]) => ({ action, reach: reachOf[reach] })),
  };
}
const LED: [string, 'subtree'][] = ['group.update', 'group.move', 'group.create', 'position.bind'].map((action) => [
  action,
  'subtree',
]);

/** A member with a session. */
async function member(...roleIds: string[]) {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  const { sessionId } = await authenticate(auth, accessToken);
  return {
    memberId,
    /** What it shows at a pivot of a command on a group. */
    permit: (groupId: string, action = 'group.update') =>
      auth.permits.seal({ memberId, sessionId, action, resource: { type: 'Group', id: groupId, ownerId: '' } }),
    may: async (action: string, groupId: string): Promise<boolean> =>
      (await check(auth, { accessToken, checks: [{ action, resource: { type: 'Group', id: groupId, ownerId: '' } }] }))[0] ??
      false,
  };
}

/** A group that a member leads. */
async function made(leaderId: string | undefined, parentId = ROOT, ...more: Grant[]) {
  const groupId = randomUUID();
  const leader = grant(PositionKind.POSITION_KIND_LEADER, ...LED);
  const everybody = grant(PositionKind.POSITION_KIND_MEMBER, ['group.list-members', 'here']);
  const operationId = `${randomUUID()}/auth.addGroup`;
  const positions = [leader, everybody, ...more];
  await auth.steps.addGroup({ operationId, groupId, parentId, findable: true, positions, leaderId, permit: undefined });
  return { groupId, operationId, leader, everybody };
}
const operation = () => ({ operationId: `${randomUUID()}/step`, permit: undefined });
/** Of a change of standings. */
const change = () => ({ ...operation(), leavesNone: false });
const pathOf = async (groupId: string) => (await auth.store.groups.findOne({ _id: groupId }))?.path;
const undo = (operationId: string) => auth.steps.undo({ operationId });

test('the whole organisation is put in place once, and keeps its positions', async (t) => {
  t.like(await auth.store.groups.findOne({ _id: ROOT }), { path: [ROOT], findable: true, positions: { length: 0 } });
});

test('a group is where it was put, and led by who creates it; undone, it is nowhere', async (t) => {
  const one = await member();
  const top = await made(one.memberId);
  const inner = await made(undefined, top.groupId);
  t.deepEqual(await pathOf(inner.groupId), [ROOT, top.groupId, inner.groupId]);
  t.true(await one.may('group.update', inner.groupId));
  await undo(inner.operationId);
  await undo(top.operationId);
  t.is(await pathOf(top.groupId), undefined);
  t.like(await auth.store.members.findOne({ _id: one.memberId }), { groupIds: { length: 0 }, positionIds: { length: 0 } });
  await t.throwsAsync(made(undefined, randomUUID()), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(made(randomUUID()), { code: 'MEMBER_NOT_FOUND' });
});

test('groups are a hundred deep at most, that of the whole organisation counted', async (t) => {
  let parentId = ROOT;
  for (let depth = 2; depth <= 100; depth++) parentId = (await made(undefined, parentId)).groupId;
  t.is((await pathOf(parentId))?.length, 100);
  await t.throwsAsync(made(undefined, parentId), { code: 'GROUP_TOO_DEEP' });
  const [pair, below] = [await made(undefined), await made(undefined)];
  await auth.steps.moveGroup({ ...operation(), groupId: below.groupId, parentId: pair.groupId });
  const parent = (await pathOf(parentId))?.at(-2) ?? '';
  await t.throwsAsync(auth.steps.moveGroup({ ...operation(), groupId: pair.groupId, parentId: parent }), {
    code: 'GROUP_TOO_DEEP',
  });
  await t.notThrowsAsync(auth.steps.moveGroup({ ...operation(), groupId: below.groupId, parentId: parent }));
});

test('a group is moved with all that is below it, never into itself, and back', async (t) => {
  const one = await member();
  const [from, to] = [await made(one.memberId), await made(undefined)];
  const moved = await made(undefined, from.groupId);
  const below = await made(undefined, moved.groupId);
  t.true(await one.may('group.update', below.groupId));
  const move = { ...operation(), groupId: moved.groupId, parentId: to.groupId };
  await auth.steps.moveGroup(move);
  t.deepEqual(await pathOf(below.groupId), [ROOT, to.groupId, moved.groupId, below.groupId]);
  t.false(await one.may('group.update', below.groupId), 'who leads where it was leads it no more');
  for (const parentId of [moved.groupId, below.groupId])
    await t.throwsAsync(auth.steps.moveGroup({ ...operation(), groupId: moved.groupId, parentId }), { code: 'GROUP_CYCLE' });
  await undo(move.operationId);
  t.deepEqual(await pathOf(below.groupId), [ROOT, from.groupId, moved.groupId, below.groupId]);
  t.true(await one.may('group.update', below.groupId));
});

test('two moves at once that would together make a cycle: one is refused', async (t) => {
  for (let round = 0; round < 5; round++) {
    const [a, b] = [await made(undefined), await made(undefined)];
    const moves = await Promise.allSettled([
      auth.steps.moveGroup({ ...operation(), groupId: a.groupId, parentId: b.groupId }),
      auth.steps.moveGroup({ ...operation(), groupId: b.groupId, parentId: a.groupId }),
    ]);
    const refused = moves.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    t.deepEqual(refused, ['GROUP_CYCLE']);
  }
});

test('what is put below a group while it is moved is moved with it', async (t) => {
  for (let round = 0; round < 5; round++) {
    const [moved, to] = [await made(undefined), await made(undefined)];
    const [inner] = await Promise.all([
      made(undefined, moved.groupId),
      auth.steps.moveGroup({ ...operation(), groupId: moved.groupId, parentId: to.groupId }),
    ]);
    t.deepEqual(await pathOf(inner.groupId), [ROOT, to.groupId, moved.groupId, inner.groupId]);
  }
});

test('who moves a group gives nobody more in it than it holds there itself', async (t) => {
  const one = await member();
  const mine = await made(one.memberId);
  const stronger = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.delete', 'subtree']);
  const [same, strong] = [await made(undefined), await made(undefined, ROOT, stronger)];
  const here = await made(undefined, ROOT, grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.delete', 'here']));
  const move = (parentId: string, { memberId, permit } = one) =>
    auth.steps.moveGroup({
      operationId: `${memberId}/${randomUUID()}`,
      groupId: mine.groupId,
      parentId,
      permit: permit(mine.groupId),
    });
  await t.throwsAsync(move(strong.groupId), EXCEEDS);
  await t.notThrowsAsync(move(same.groupId));
  await t.notThrowsAsync(move(here.groupId), 'what reaches no further is nothing to the group');
  await t.notThrowsAsync(move(strong.groupId, await member('admin')));
  // What a policy names is not left, nor entered, by who is no administrator.
  await auth.role(`names-${mine.groupId}`, [
    `forbid (principal, action == Musubi::Action::"group.archive", resource in Musubi::Group::"${same.groupId}");`,
  ]);
  await t.throwsAsync(move(same.groupId), EXCEEDS);
});

test('in groups that are removed nothing is granted, until that is undone; then they are forgotten', async (t) => {
  const one = await member();
  const top = await made(one.memberId);
  const inner = await made(undefined, top.groupId);
  const removal = { ...operation(), groupId: top.groupId };
  await auth.steps.removeGroups(removal);
  t.false(await one.may('group.update', top.groupId));
  t.false(await one.may('group.update', inner.groupId));
  await t.throwsAsync(auth.steps.removeGroups({ ...operation(), groupId: inner.groupId }), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(made(undefined, inner.groupId), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(auth.steps.moveGroup({ ...operation(), groupId: inner.groupId, parentId: ROOT }), {
    code: 'GROUP_NOT_FOUND',
  });
  await undo(removal.operationId);
  t.true(await one.may('group.update', inner.groupId));

  await auth.steps.removeGroups({ ...operation(), groupId: top.groupId });
  const groupIds = [inner.groupId, top.groupId];
  const kept = await made(one.memberId);
  await auth.steps.forgetGroups({ ...operation(), groupIds: [...groupIds, kept.groupId], positionIds: [top.leader.positionId] });
  t.is(await auth.store.groups.countDocuments({ _id: { $in: groupIds } }), 0);
  t.is(await auth.store.groups.countDocuments({ _id: kept.groupId }), 1, 'what is not removed is not forgotten');
  t.like(await auth.store.members.findOne({ _id: one.memberId }), { positionIds: [kept.leader.positionId] });
});

test('members are in a group, and bound to its positions, exactly as it is said; and as before when that is undone', async (t) => {
  const [one, other] = [await member(), await member()];
  const own = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.delete', 'here']);
  const group = await made(one.memberId, ROOT, own);
  const elsewhere = await made(other.memberId);
  const standing = async (memberId: string) => {
    const found = await auth.store.members.findOne({ _id: memberId });
    return { groupIds: found?.groupIds ?? [], positionIds: [...(found?.positionIds ?? [])].sort() };
  };
  const before = [await standing(one.memberId), await standing(other.memberId)];
  const exchange = {
    ...change(),
    groupId: group.groupId,
    changes: [
      { memberId: one.memberId, isMember: false, positions: { positionIds: [] } },
      { memberId: other.memberId, isMember: true, positions: { positionIds: [own.positionId, group.leader.positionId] } },
    ],
  };
  await auth.steps.changeStandings(exchange);
  t.deepEqual(await standing(one.memberId), { groupIds: [], positionIds: [] });
  t.false(await one.may('group.update', group.groupId));
  t.true(await other.may('group.update', group.groupId));
  t.true(await other.may('group.list-members', group.groupId));
  t.true(await other.may('group.update', elsewhere.groupId), 'what it is elsewhere it stays');
  await undo(exchange.operationId);
  t.deepEqual([await standing(one.memberId), await standing(other.memberId)], before);

  const wrong = (changes: Parameters<typeof auth.steps.changeStandings>[0]['changes'], code: string) =>
    t.throwsAsync(auth.steps.changeStandings({ ...change(), groupId: group.groupId, changes }), { code });
  const { memberId } = other;
  await wrong([{ memberId, isMember: undefined, positions: { positionIds: [own.positionId] } }], 'NOT_MEMBER');
  await wrong([{ memberId, isMember: true, positions: { positionIds: [randomUUID()] } }], 'POSITION_NOT_FOUND');
  await wrong([{ memberId, isMember: true, positions: { positionIds: [group.everybody.positionId] } }], 'POSITION_NOT_FOUND');
  await wrong([{ memberId: randomUUID(), isMember: true, positions: undefined }], 'MEMBER_NOT_FOUND');
  t.deepEqual(await standing(memberId), before[1]);
});

test('nobody gives what they do not hold there: by a binding, by a position, or by one that they change', async (t) => {
  const [leader, friend] = [await member(), await member()];
  const group = await made(leader.memberId);
  const below = await made(undefined, group.groupId);
  const put = (
    permissions: [string, 'here' | 'subtree'][],
    { groupId } = group,
    positionId: string = randomUUID(),
    as = leader,
  ) =>
    auth.steps.putPosition({
      ...operation(),
      groupId,
      position: { ...grant(PositionKind.POSITION_KIND_UNSPECIFIED, ...permissions), positionId },
      permit: as.permit(groupId),
    });
  await t.notThrowsAsync(
    put([
      ['group.update', 'subtree'],
      ['group.move', 'here'],
    ]),
  );
  await t.notThrowsAsync(put([['group.update', 'subtree']], below), 'it reaches there from above');
  await t.throwsAsync(put([['group.delete', 'here']]), EXCEEDS);
  await t.throwsAsync(put([['group.list-members', 'subtree']]), EXCEEDS, 'it holds that in the group only');
  await t.notThrowsAsync(put([['group.list-members', 'here']]));
  await t.throwsAsync(put([['group.list-members', 'here']], below), EXCEEDS, 'it is no member there');

  // A position that permits more than it holds is not changed to permit that further, and may be left as it is.
  const positionId = randomUUID();
  const admin = await member('admin');
  await put([['group.delete', 'here']], group, positionId, admin);
  await t.throwsAsync(put([['group.delete', 'subtree']], group, positionId), EXCEEDS);
  await t.notThrowsAsync(
    put(
      [
        ['group.delete', 'here'],
        ['group.update', 'here'],
      ],
      group,
      positionId,
    ),
  );
  const bind = (positionIds: string[], as = leader) =>
    auth.steps.changeStandings({
      ...change(),
      groupId: group.groupId,
      changes: [{ memberId: friend.memberId, isMember: true, positions: { positionIds } }],
      permit: as.permit(group.groupId),
    });
  await t.throwsAsync(bind([positionId]), EXCEEDS);
  await t.notThrowsAsync(bind([group.leader.positionId]));
  await t.notThrowsAsync(bind([group.leader.positionId, positionId], admin));
  await t.notThrowsAsync(bind([positionId]), 'what is taken away, and what stays, is not given');

  // Who is forbidden something anywhere gives nobody that everywhere.
  const bound = await member('admin');
  await auth.role('forbids', [
    'forbid (principal, action == Musubi::Action::"group.move", resource) when { !resource.findable };',
  ]);
  await auth.steps.changeStandings({
    ...change(),
    groupId: group.groupId,
    changes: [{ memberId: bound.memberId, isMember: true, positions: { positionIds: [group.leader.positionId] } }],
  });
  await auth.store.members.updateOne({ _id: bound.memberId }, { $set: { roleIds: ['forbids'] } });
  await t.throwsAsync(put([['group.move', 'subtree']], group, randomUUID(), bound), EXCEEDS);
  await t.notThrowsAsync(
    put(
      [
        ['group.move', 'here'],
        ['group.update', 'subtree'],
      ],
      group,
      randomUUID(),
      bound,
    ),
  );
});

test('who comes in by itself gets what all members have, and nobody is brought in by who does not hold that', async (t) => {
  const [leader, one, other] = [await member(), await member(), await member()];
  const group = await made(leader.memberId);
  const below = await made(undefined, group.groupId);
  await auth.role('joins', ['permit (principal, action == Musubi::Action::"group.join", resource);']);
  await auth.store.members.updateOne({ _id: one.memberId }, { $set: { roleIds: ['joins'] } });
  const come = ({ groupId }: { groupId: string }, { memberId }: { memberId: string }, permit: string) =>
    auth.steps.changeStandings({
      ...change(),
      groupId,
      changes: [{ memberId, isMember: true, positions: undefined }],
      permit,
    });
  await t.notThrowsAsync(come(group, one, one.permit(group.groupId, 'group.join')));
  await t.notThrowsAsync(come(group, other, leader.permit(group.groupId)));
  await t.throwsAsync(come(below, other, leader.permit(below.groupId)), EXCEEDS);
});

test('that a group is led by nobody, only an administrator brings about; and the system itself', async (t) => {
  const [leader, admin] = [await member(), await member('admin')];
  const { groupId } = await made(leader.memberId);
  const go = (permit: string | undefined) => ({
    ...change(),
    groupId,
    changes: [{ memberId: leader.memberId, isMember: false, positions: { positionIds: [] } }],
    leavesNone: true,
    permit,
  });
  await t.throwsAsync(auth.steps.changeStandings(go(leader.permit(groupId))), { code: 'LAST_LEADER' });
  const done = go(admin.permit(groupId));
  await auth.steps.changeStandings(done);
  await undo(done.operationId);
  await t.notThrowsAsync(auth.steps.changeStandings(go(undefined)));
});

test('a position is put in place, changed and removed; each is undone to what was before', async (t) => {
  const one = await member();
  const position = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.delete', 'here']);
  const { groupId } = await made(undefined, ROOT, position);
  await auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId: one.memberId, isMember: true, positions: { positionIds: [position.positionId] } }],
  });
  const put = {
    ...operation(),
    groupId,
    position: { ...position, permissions: [{ action: 'group.update', reach: Reach.REACH_HERE }] },
  };
  await auth.steps.putPosition(put);
  t.deepEqual([await one.may('position.delete', groupId), await one.may('group.update', groupId)], [false, true]);
  await undo(put.operationId);
  t.deepEqual([await one.may('position.delete', groupId), await one.may('group.update', groupId)], [true, false]);
  const removal = { ...operation(), groupId, positionId: position.positionId };
  await auth.steps.removePosition(removal);
  t.false(await one.may('position.delete', groupId));
  await undo(removal.operationId);
  t.true(await one.may('position.delete', groupId));
  const added = { ...operation(), groupId, position: grant(PositionKind.POSITION_KIND_UNSPECIFIED) };
  await auth.steps.putPosition(added);
  await undo(added.operationId);
  t.is((await auth.store.groups.findOne({ _id: groupId }))?.positions.length, 3);
});

test('whether everybody finds a group changes, and back', async (t) => {
  await auth.role('finder', ['permit (principal, action == Musubi::Action::"group.read", resource) when { resource.findable };']);
  const one = await member('finder');
  const { groupId } = await made(undefined);
  const hide = { ...operation(), groupId, findable: false };
  t.true(await one.may('group.read', groupId));
  await auth.steps.changeGroup(hide);
  t.false(await one.may('group.read', groupId));
  await undo(hide.operationId);
  t.true(await one.may('group.read', groupId));
});
