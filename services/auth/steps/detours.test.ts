import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf, moving, operation } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Nobody gets by a detour what they may not do: by what is above a group, what leads it, or what a policy names.

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

/** A position of the group's own. */
const own = (...permissions: [action: string, reach: 'here' | 'subtree'][]) =>
  grant(PositionKind.POSITION_KIND_UNSPECIFIED, ...permissions);

/** Has a member be in a group, and bound to exactly these positions, as the system itself does or on the permit of who is named. */
const bind = (groupId: string, memberId: string, positionIds: string[], permit?: string) =>
  auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds } }],
    permit,
  });

test('who may delete a group only, or not all that is below it, does not delete that with it', async (t) => {
  const [reaching, only] = [own(['group.delete', 'subtree']), own(['group.delete', 'here'])];
  const top = await made(undefined, ROOT, reaching, only);
  const inner = await made(undefined, top.groupId);
  await auth.role(`protects-${inner.groupId}`, [
    `forbid (principal, action == Musubi::Action::"group.delete", resource == Musubi::Group::"${inner.groupId}");`,
  ]);
  const [one, other, third] = [await member(), await member(`protects-${inner.groupId}`), await member()];
  await bind(top.groupId, one.memberId, [only.positionId]);
  await bind(top.groupId, other.memberId, [reaching.positionId]);
  await bind(top.groupId, third.memberId, [reaching.positionId]);
  const remove = ({ permit }: typeof one) =>
    auth.steps.removeGroups({ ...operation(), groupId: top.groupId, permit: permit(top.groupId, 'group.delete') });
  await t.throwsAsync(remove(one), EXCEEDS);
  await t.throwsAsync(remove(other), EXCEEDS);
  const removal = { ...operation(), groupId: top.groupId, permit: third.permit(top.groupId, 'group.delete') };
  await auth.steps.removeGroups(removal);
  await undo(removal.operationId);
  await auth.steps.removeGroups({ ...operation(), groupId: inner.groupId });
  await t.notThrowsAsync(remove(one), 'where nothing is below it');
});

test('who may archive a group only, or not all that is below it, does not archive that by it', async (t) => {
  const [reaching, only] = [own(['group.archive', 'subtree']), own(['group.archive', 'here'])];
  const top = await made(undefined, ROOT, reaching, only);
  const inner = await made(undefined, top.groupId);
  await auth.role(`keeps-${inner.groupId}`, [
    `forbid (principal, action == Musubi::Action::"group.archive", resource == Musubi::Group::"${inner.groupId}");`,
  ]);
  const [one, other, third] = [await member(), await member(`keeps-${inner.groupId}`), await member()];
  await bind(top.groupId, one.memberId, [only.positionId]);
  await bind(top.groupId, other.memberId, [reaching.positionId]);
  await bind(top.groupId, third.memberId, [reaching.positionId]);
  const allow = ({ permit }: typeof one) =>
    auth.steps.allowArchive({ ...operation(), groupId: top.groupId, permit: permit(top.groupId, 'group.archive') });
  await t.throwsAsync(allow(one), EXCEEDS);
  await t.throwsAsync(allow(other), EXCEEDS);
  await t.notThrowsAsync(allow(third));
  await t.notThrowsAsync(allow(await member('admin')));
  await t.notThrowsAsync(auth.steps.allowArchive({ ...operation(), groupId: top.groupId }), 'the system itself');
  await auth.steps.removeGroups({ ...operation(), groupId: inner.groupId });
  await t.notThrowsAsync(allow(one), 'where nothing is below it');
  await t.throwsAsync(auth.steps.allowArchive({ ...operation(), groupId: inner.groupId }), { code: 'GROUP_NOT_FOUND' });
});

test('what a policy permits everywhere but in a group below is not given for all that is below', async (t) => {
  const top = await made(undefined);
  const inner = await made(undefined, top.groupId);
  await auth.role(`not-${inner.groupId}`, [
    `permit (principal, action in [Musubi::Action::"group.update", Musubi::Action::"position.create"], resource)
     unless { resource in Musubi::Group::"${inner.groupId}" };`,
  ]);
  const one = await member(`not-${inner.groupId}`);
  const put = (reach: 'here' | 'subtree') =>
    auth.steps.putPosition({
      ...operation(),
      groupId: top.groupId,
      position: own(['group.update', reach]),
      permit: one.permit(top.groupId, 'position.create'),
    });
  await t.notThrowsAsync(put('here'));
  await t.throwsAsync(put('subtree'), EXCEEDS);
});

test('who may not do what policies permit to leaders makes nobody lead a group: by a binding, or by a move', async (t) => {
  const [helping, making] = [own(['position.bind', 'here'], ['group.move', 'here']), own(['group.create', 'here'])];
  const leading = grant(PositionKind.POSITION_KIND_LEADER);
  const to = await made(undefined, ROOT, making);
  const group = await made(undefined, ROOT, helping);
  // The leaders' positions permit nothing any more: what leaders may do, policies say.
  for (const { groupId, leader } of [to, group])
    await auth.steps.putPosition({ ...operation(), groupId, position: { ...leading, positionId: leader.positionId } });
  await auth.role('leaders', [
    'permit (principal, action == Musubi::Action::"group.expel-member", resource) when { principal in resource.leaders };',
  ]);
  const one = await member('leaders');
  await bind(group.groupId, one.memberId, [helping.positionId]);
  await bind(to.groupId, one.memberId, [to.leader.positionId, making.positionId]);
  t.false(await one.may('group.expel-member', group.groupId));
  const permit = one.permit(group.groupId, 'position.bind');
  const both = [helping.positionId, group.leader.positionId];
  await t.throwsAsync(bind(group.groupId, one.memberId, both, permit), EXCEEDS);
  const move = { ...moving(), groupId: group.groupId, parentId: to.groupId, permit: one.permit(group.groupId, 'group.move') };
  await t.throwsAsync(auth.steps.moveGroup(move), EXCEEDS);
  t.false(await one.may('group.expel-member', group.groupId));
  // Who leads it may.
  await bind(group.groupId, one.memberId, both);
  const other = await member();
  await t.notThrowsAsync(bind(group.groupId, other.memberId, [group.leader.positionId], permit));
  await t.notThrowsAsync(auth.steps.moveGroup({ ...move, ...operation() }));
});

test('who may change positions, and leads nothing there, takes from leaders nothing that they may do', async (t) => {
  const changing = own(['position.update', 'here'], ['group.update', 'subtree']);
  const top = await made(undefined, ROOT);
  const group = await made(undefined, top.groupId, changing);
  const [one, leader, above] = [await member(), await member(), await member()];
  await bind(group.groupId, one.memberId, [changing.positionId]);
  await bind(group.groupId, leader.memberId, [group.leader.positionId]);
  await bind(top.groupId, above.memberId, [top.leader.positionId]);
  const put = ({ permit }: typeof one, position = group.leader, ...permissions: Parameters<typeof own>) =>
    auth.steps.putPosition({
      ...operation(),
      groupId: group.groupId,
      position: { ...position, permissions: own(...permissions).permissions },
      tenure: undefined,
      permit: permit(group.groupId),
    });
  const all: Parameters<typeof own> = [
    ['group.update', 'subtree'],
    ['group.move', 'subtree'],
    ['group.create', 'subtree'],
    ['position.bind', 'subtree'],
  ];
  const denied = { code: 'PERMISSION_DENIED', message: /who leads the group/ };
  await t.throwsAsync(put(one), denied);
  await t.throwsAsync(put(one, group.leader, ['group.update', 'here'], ...all.slice(1)), denied, 'nor how far it reaches');
  await t.notThrowsAsync(put(one, group.leader, ...all), 'which takes nothing');
  await t.notThrowsAsync(put(one, group.everybody), 'of others it does');
  await t.notThrowsAsync(put(leader, group.leader, ...all.slice(1)));
  await t.notThrowsAsync(put(above, group.leader, ...all.slice(2)), 'who leads it from above');
  await t.notThrowsAsync(put(await member('admin')));
});

test('to a position that a policy names, who does not hold it binds nobody', async (t) => {
  const [helping, named] = [own(['position.bind', 'here']), own()];
  const group = await made(undefined, ROOT, helping, named);
  await auth.role(`names-${named.positionId}`, [
    `permit (principal in Musubi::Position::"${named.positionId}", action == Musubi::Action::"group.delete", resource);`,
  ]);
  const [one, other] = [await member(`names-${named.positionId}`), await member()];
  await bind(group.groupId, one.memberId, [helping.positionId]);
  const permit = one.permit(group.groupId, 'position.bind');
  const both = [helping.positionId, named.positionId];
  await t.throwsAsync(bind(group.groupId, one.memberId, both, permit), EXCEEDS);
  t.false(await one.may('group.delete', group.groupId));
  await bind(group.groupId, one.memberId, both);
  await t.notThrowsAsync(bind(group.groupId, other.memberId, [named.positionId], permit));
});
