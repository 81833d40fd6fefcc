import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind, type Tenure } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf, LED, moving, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Who comes to lead by name what it may do nothing else in takes nothing by that from those who lead there.

let auth: TestAuth;
let { member, made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made } = groupsOf(auth));
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const DENIED = { code: 'PERMISSION_DENIED' };

type Someone = Awaited<ReturnType<typeof member>>;
type Made = Awaited<ReturnType<typeof made>>;

/** A position of the group's own. */
const own = (...permissions: [action: string, reach: 'here' | 'subtree'][]) =>
  grant(PositionKind.POSITION_KIND_UNSPECIFIED, ...permissions);
/** Has a member be in a group, and bound to exactly these positions, as the system itself does or this one asks. */
const bind = ({ groupId }: Made, { memberId }: Someone, positionIds: string[], by?: Someone) =>
  auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds } }],
    permit: by?.permit(groupId, 'position.bind'),
  });
/** Has the leaders of a group be permitted nothing by that. */
const lessen = ({ groupId, leader }: Made, by?: Someone, tenure?: Tenure) =>
  auth.steps.putPosition({
    ...{ ...operation(), groupId, tenure },
    position: { ...leader, permissions: [] },
    permit: by?.permit(groupId, 'position.update'),
  });

test('who moves a group comes to lead what is below it by that, too: it takes nothing from those who lead there', async (t) => {
  const [moves, updates, makes] = [own(['group.move', 'here']), own(['position.update', 'here']), own(['group.create', 'here'])];
  const [one, leader] = [await member(), await member()];
  const to = await made(one.memberId, ROOT, makes);
  const group = await made(undefined, ROOT, moves);
  const between = await made(undefined, group.groupId);
  const below = await made(leader.memberId, between.groupId, updates);
  for (const each of [to, group, between]) await lessen(each);
  await bind(to, one, [to.leader.positionId, makes.positionId]);
  await bind(group, one, [moves.positionId]);
  await bind(below, one, [updates.positionId]);
  await t.throwsAsync(lessen(below, one), DENIED);
  const move = (by: Someone) =>
    auth.steps.moveGroup({
      ...{ ...moving(), groupId: group.groupId, parentId: to.groupId },
      permit: by.permit(group.groupId, 'group.move'),
    });
  await t.throwsAsync(move(one), { code: 'EXCEEDS_OWN_PERMISSIONS' });
  await t.throwsAsync(lessen(below, one), DENIED);
  await auth.steps.removeGroups({ ...operation(), groupId: below.groupId });
  await t.notThrowsAsync(move(one), 'where nobody leads below');
  await t.notThrowsAsync(move(await member('admin')));
});

test('what leaders may do only who may do it, too, takes from them, in whichever way it came to lead them', async (t) => {
  const [binds, updates, all] = [own(['position.bind', 'here']), own(['position.update', 'here']), own(...LED)];
  const [one, leader] = [await member(), await member()];
  const group = await made(undefined, ROOT, binds, all);
  const below = await made(leader.memberId, group.groupId, updates);
  await lessen(group);
  await bind(group, one, [binds.positionId]);
  await bind(below, one, [updates.positionId]);
  const led = [binds.positionId, group.leader.positionId];
  await t.notThrowsAsync(bind(group, one, led, one), 'which permits nothing');
  await t.throwsAsync(lessen(below, one), DENIED, 'so it leads what is below by name');
  await bind(group, one, [...led, all.positionId]);
  await t.notThrowsAsync(lessen(below, one));
});

test('who may change positions for less long than those lead takes nothing from them, though it leads by name for as long', async (t) => {
  const [updates, all] = [own(['position.update', 'here']), own(...LED)];
  const [one, leader] = [await member(), await member()];
  const above = await made(one.memberId);
  const group = await made(leader.memberId, above.groupId, updates, all);
  await lessen(above);
  await bind(group, one, [updates.positionId, all.positionId]);
  for (const { positionId } of [updates, all])
    await t.throwsAsync(lessen(group, one, { ...NO_TENURE, endingSoonerIds: [positionId] }), DENIED);
  await t.notThrowsAsync(lessen(group, one, NO_TENURE));
});
