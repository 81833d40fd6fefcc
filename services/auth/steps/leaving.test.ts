import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Who leads a group can leave it: with a successor in any case, and without one where there is no other way.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  const leave = 'permit (principal, action == Musubi::Action::"group.leave", resource) when { principal in resource.members };';
  await auth.role('leaves', [leave]);
  await auth.role('bound', ['forbid (principal, action == Musubi::Action::"group.move", resource);']);
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

type Member = Awaited<ReturnType<typeof member>>;
type Group = Awaited<ReturnType<typeof made>>;

/** Has a leader go. @param successor who leads the group then */
const go = (
  leader: Member,
  group: Group,
  successor?: Member,
  action = 'group.leave',
  positionIds = [group.leader.positionId],
) => {
  const { groupId } = group;
  const asked = {
    ...change(),
    groupId,
    changes: [
      { memberId: leader.memberId, isMember: false, positions: { positionIds: [] } },
      ...(successor ? [{ memberId: successor.memberId, isMember: undefined, positions: { positionIds } }] : []),
    ],
    tenure: { ...NO_TENURE, leaders: { memberIds: successor ? [successor.memberId] : [] } },
    permit: leader.permit(groupId, action),
  };
  return { ...asked, done: () => auth.steps.changeStandings(asked) };
};
const join = (group: Group, { memberId }: Member) =>
  auth.steps.changeStandings({
    ...change(),
    groupId: group.groupId,
    changes: [{ memberId, isMember: true, positions: undefined }],
  });
const permit = (group: Group, ...permissions: Parameters<typeof grant>[1][]) =>
  auth.steps.putPosition({
    ...operation(),
    groupId: group.groupId,
    position: { ...grant(PositionKind.POSITION_KIND_LEADER, ...permissions), positionId: group.leader.positionId },
  });

test('who leaves hands its positions on also where it is forbidden what they permit, and nothing else', async (t) => {
  const [leader, successor] = [await member('leaves', 'bound'), await member()];
  const own = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.move', 'here']);
  const group = await made(leader.memberId, ROOT, own);
  await join(group, successor);
  const exceeds = { code: 'EXCEEDS_OWN_PERMISSIONS' };
  const both = [group.leader.positionId, own.positionId];
  await t.throwsAsync(go(leader, group, successor, 'group.leave', both).done(), exceeds, 'it is not bound to that');
  await t.throwsAsync(go(leader, group, successor, 'group.update').done(), exceeds, 'it does not leave');
  const leaving = go(leader, group, successor);
  await leaving.done();
  t.deepEqual([await leader.may('group.update', group.groupId), await successor.may('group.move', group.groupId)], [false, true]);
  await undo(leaving.operationId);
  t.deepEqual([await leader.may('group.update', group.groupId), await successor.may('group.move', group.groupId)], [true, false]);
});

test('who leads alone, and may not delete the group, leaves it also when nobody is there to succeed it', async (t) => {
  const [leader, other] = [await member('leaves'), await member()];
  const last = { code: 'LAST_LEADER', message: /name a successor/ };
  const group = await made(leader.memberId);
  await permit(group, ['group.delete', 'subtree']);
  await t.throwsAsync(go(leader, group).done(), last, 'it deletes the group');
  await permit(group);
  await join(group, other);
  await t.throwsAsync(go(leader, group).done(), last, 'another one is there');
  await auth.store.members.updateOne({ _id: other.memberId }, { $set: { status: 'suspended' } });
  const leaving = go(leader, group);
  await t.notThrowsAsync(leaving.done(), 'who is suspended can not succeed it');
  await undo(leaving.operationId);
  await auth.store.members.updateOne({ _id: other.memberId }, { $set: { status: 'active' } });
  await t.notThrowsAsync(go(leader, group, other).done());
  const alone = await member('leaves');
  const emptied = await made(alone.memberId);
  await permit(emptied, ['group.delete', 'here'], ['group.expel-member', 'here']);
  const letGo = { code: 'LAST_LEADER', message: /bind another member to the position of its leaders first, for as long/ };
  await t.throwsAsync(go(alone, emptied, undefined, 'group.delete').done(), letGo, 'it does not leave');
  const expelled = { code: 'LAST_LEADER', message: /^(?!.*delete the group).*name a successor.*administrator/ };
  await t.throwsAsync(go(alone, emptied, undefined, 'group.expel-member').done(), expelled, 'who puts another one out');
  await t.notThrowsAsync(go(alone, emptied).done(), 'what is below it may not delete');
});
