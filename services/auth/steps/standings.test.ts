import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind, Reach } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Who is in groups, what positions grant there, and that nobody gives what they do not hold.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };

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

test('the audit tells of whom a standing was changed', async (t) => {
  const [leader, one] = [await member(), await member()];
  const { groupId } = await made(leader.memberId);
  const asked = {
    ...change(),
    groupId,
    changes: [{ memberId: one.memberId, isMember: true, positions: undefined }],
    permit: leader.permit(groupId, 'group.create'),
  };
  await auth.steps.changeStandings(asked);
  t.like(await auth.store.audit.waiting.findOne({ jobId: asked.operationId.split('/')[0] ?? '' }), {
    actorId: leader.memberId,
    resources: [
      { type: 'Group', id: groupId },
      { type: 'Member', id: one.memberId },
    ],
  });
});

test('that a group is led by nobody, only an administrator brings about; and the system itself', async (t) => {
  const [leader, admin] = [await member(), await member('admin')];
  const { groupId } = await made(leader.memberId);
  const go = (permit: string | undefined) => ({
    ...change(),
    groupId,
    changes: [{ memberId: leader.memberId, isMember: false, positions: { positionIds: [] } }],
    tenure: { ...NO_TENURE, leaders: { memberIds: [] } },
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
