import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind, type Tenure } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { grant, groupsOf, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// For how long members hold positions: longer is given, less long is taken away.

let auth: TestAuth;
let { member, made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made } = groupsOf(auth));
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };
const LAST_LEADER = { code: 'LAST_LEADER' };

type Someone = Awaited<ReturnType<typeof member>>;

/** Has a member of a group be bound to exactly these positions, as this one asks; nobody: the system itself. */
const bind = (groupId: string, { memberId }: Someone, positionIds: string[], tenure: Partial<Tenure> = {}, by?: Someone) =>
  auth.steps.changeStandings({
    ...operation(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds } }],
    tenure: { ...NO_TENURE, ...tenure },
    permit: by?.permit(groupId, 'position.bind'),
  });

const suspend = ({ memberId }: Someone) => auth.store.members.updateOne({ _id: memberId }, { $set: { status: 'suspended' } });

test.serial('nobody gives a position for longer than it holds what that permits, itself least of all', async (t) => {
  const [leader, deputy, friend] = [await member(), await member(), await member()];
  const group = await made(leader.memberId);
  const led = [group.leader.positionId];
  await bind(group.groupId, deputy, led);
  const ending = { endingSoonerIds: led };
  const longer = { prolongedIds: led };
  for (const asked of [ending, { ...longer, ...ending }]) {
    const tooLong = await t.throwsAsync(bind(group.groupId, friend, led, asked, deputy), EXCEEDS, 'it holds that for less long');
    t.like(tooLong, { fields: [{ field: 'until' }] }, 'for less long it would do');
  }
  await t.notThrowsAsync(bind(group.groupId, friend, led, {}, deputy), 'for no longer');
  await t.throwsAsync(bind(group.groupId, deputy, led, { ...longer, ...ending }, deputy), EXCEEDS);
  await t.notThrowsAsync(bind(group.groupId, deputy, led, longer, leader), 'who holds it without end');
  await t.notThrowsAsync(bind(group.groupId, deputy, led, { ...longer, ...ending }, await member('admin')));
  await t.notThrowsAsync(bind(group.groupId, deputy, led, { ...longer, ...ending }), 'the system itself');
  // By what it holds elsewhere for as long it gives.
  const below = await made(undefined, group.groupId);
  const both = [below.leader.positionId];
  await bind(below.groupId, deputy, both);
  await t.notThrowsAsync(bind(below.groupId, deputy, both, { prolongedIds: both, endingSoonerIds: both }, deputy));
  const all = [...both, ...led];
  await t.throwsAsync(bind(below.groupId, deputy, both, { prolongedIds: both, endingSoonerIds: all }, deputy), EXCEEDS);
});

test.serial('who leads until a moment takes nothing from those who lead for longer', async (t) => {
  const [leader, deputy] = [await member(), await member()];
  const group = await made(leader.memberId);
  const led = [group.leader.positionId];
  await bind(group.groupId, deputy, led);
  const lessen = (endingSoonerIds: string[], by = deputy) =>
    auth.steps.putPosition({
      ...operation(),
      groupId: group.groupId,
      position: { ...group.leader, permissions: group.leader.permissions.slice(0, -1) },
      tenure: { ...NO_TENURE, endingSoonerIds },
      permit: by.permit(group.groupId),
    });
  await t.throwsAsync(lessen(led), { code: 'PERMISSION_DENIED', message: /for as long/ });
  await t.notThrowsAsync(lessen([]), 'nobody leads it for longer');
  // What was taken from them is given back: to take nothing anybody may.
  await auth.steps.putPosition({ ...operation(), groupId: group.groupId, position: group.leader, tenure: undefined });
  await t.notThrowsAsync(lessen(led, await member('admin')));
});

test.serial('nobody has a position permit more to those who hold it for longer than it holds that itself', async (t) => {
  const [leader, deputy] = [await member(), await member()];
  const own = grant(PositionKind.POSITION_KIND_UNSPECIFIED);
  const group = await made(leader.memberId, ROOT, own);
  const led = [group.leader.positionId];
  await bind(group.groupId, deputy, [...led, own.positionId]);
  const put = (by: Someone | undefined, endingSoonerIds: string[], ...permissions: Parameters<typeof grant>[1][]) =>
    auth.steps.putPosition({
      ...operation(),
      groupId: group.groupId,
      position: { ...grant(PositionKind.POSITION_KIND_UNSPECIFIED, ...permissions), positionId: own.positionId },
      tenure: { ...NO_TENURE, endingSoonerIds },
      permit: by?.permit(group.groupId, 'group.update'),
    });
  const update: Parameters<typeof grant>[1] = ['group.update', 'here'];
  t.like(await t.throwsAsync(put(deputy, led, update), EXCEEDS), { fields: [] }, 'nobody says there for how long');
  t.true(await deputy.may('group.update', group.groupId), 'by what it leads');
  await t.notThrowsAsync(put(deputy, []), 'it permits nothing more');
  await t.notThrowsAsync(put(deputy, led), 'nor here');
  await t.notThrowsAsync(put(deputy, [], update), 'nobody holds it for longer');
  await t.notThrowsAsync(put(deputy, led, update), 'it is permitted already');
  await put(undefined, []);
  await t.notThrowsAsync(put(leader, [], update), 'who leads without end');
  await put(undefined, []);
  await t.notThrowsAsync(put(await member('admin'), led, update));
});

test.serial(
  'who holds something until a moment moves a group to nobody who has it for longer by that: a move is for good',
  async (t) => {
    const [leader, deputy] = [await member(), await member()];
    const group = await made(leader.memberId);
    const [below, aside] = [await made(undefined, group.groupId), await made(undefined, group.groupId)];
    const own = await made(deputy.memberId);
    const led = [group.leader.positionId];
    await bind(group.groupId, deputy, led);
    const move = (groupId: string, parentId: string, endingIds: string[], by: Someone = deputy) =>
      auth.steps.moveGroup({ ...operation(), groupId, parentId, endingIds, permit: by.permit(groupId, 'group.move') });
    for (const groupId of [group.groupId, below.groupId]) await t.throwsAsync(move(groupId, own.groupId, led), EXCEEDS);
    await t.throwsAsync(move(below.groupId, aside.groupId, led), EXCEEDS, 'who would lead it there leads it for longer');
    await t.notThrowsAsync(move(below.groupId, aside.groupId, [], leader), 'who leads without end');
    await t.notThrowsAsync(move(below.groupId, group.groupId, led), 'nobody else leads it there: it was in that before');
    await t.notThrowsAsync(move(below.groupId, own.groupId, []), 'it leads both without end');
    await t.notThrowsAsync(move(group.groupId, own.groupId, led, await member('admin')));
  },
);

test.serial('nor is it moved where only those who lead it, or only those who lead above it, have more by that', async (t) => {
  const deputy = await member();
  const top = await made(undefined);
  const [bare, full] = [await made(undefined, top.groupId), await made(undefined, top.groupId)];
  const [reaching, here] = [await made(deputy.memberId), await made(deputy.memberId)];
  const led = [top.leader.positionId];
  await bind(top.groupId, deputy, led);
  const permitOnly = ({ groupId, leader: { positionId } }: typeof top, ...permissions: Parameters<typeof grant>[1][]) =>
    auth.steps.putPosition({
      ...{ ...operation(), groupId, tenure: undefined },
      position: { ...grant(PositionKind.POSITION_KIND_LEADER, ...permissions), positionId },
    });
  await permitOnly(bare);
  await permitOnly(here, ['group.create', 'here']);
  const move = ({ groupId }: typeof top, { groupId: parentId }: typeof top) =>
    auth.steps.moveGroup({
      ...{ ...operation(), groupId, parentId, endingIds: led },
      permit: deputy.permit(groupId, 'group.move'),
    });
  await t.throwsAsync(move(bare, reaching), EXCEEDS, 'who leads above it');
  await t.throwsAsync(move(full, here), EXCEEDS, 'who leads it');
  await t.notThrowsAsync(move(bare, here), 'nobody may do more');
});

test.serial('to have a position end sooner needs what it needs to let somebody go from it', async (t) => {
  const binding = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.bind', 'here']);
  const unbinding = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.unbind', 'here']);
  const group = await made(undefined, ROOT, binding, unbinding);
  const [one, leader] = [await member(), await member()];
  const led = [group.leader.positionId];
  await bind(group.groupId, leader, led);
  await bind(group.groupId, one, [binding.positionId]);
  const shorten = (whose: Someone, ids: string[], by = one) => bind(group.groupId, whose, ids, { shortens: true }, by);
  await t.throwsAsync(shorten(leader, led), { code: 'PERMISSION_DENIED', message: /position\.unbind/ });
  await t.throwsAsync(shorten(one, [binding.positionId]), { code: 'PERMISSION_DENIED' }, 'of its own, too');
  await bind(group.groupId, one, [binding.positionId, unbinding.positionId]);
  await t.notThrowsAsync(shorten(leader, led));
  await t.notThrowsAsync(shorten(leader, led, await member('admin')));
});

test.serial('who is suspended leads no group: neither as the one who stays nor as a successor', async (t) => {
  const [leader, other, admin] = [await member(), await member(), await member('admin')];
  const group = await made(leader.memberId);
  await bind(group.groupId, other, [group.leader.positionId]);
  const leave = (leaders: Tenure['leaders'], by: Someone | undefined = leader) =>
    auth.steps.changeStandings({
      ...operation(),
      groupId: group.groupId,
      changes: [{ memberId: leader.memberId, isMember: false, positions: { positionIds: [] } }],
      tenure: { ...NO_TENURE, leaders },
      permit: by?.permit(group.groupId, 'group.update'),
    });
  const stays = { memberIds: [other.memberId] };
  await suspend(other);
  await t.throwsAsync(leave(stays), LAST_LEADER);
  const third = await member();
  await suspend(third);
  await t.throwsAsync(leave({ memberIds: [third.memberId, other.memberId] }), LAST_LEADER, 'nor is one that succeeds it');
  await auth.steps.reinstateLogin({ ...operation(), memberId: other.memberId });
  await t.notThrowsAsync(leave({ memberIds: [third.memberId, other.memberId] }));
  await bind(group.groupId, leader, [group.leader.positionId]);
  await suspend(other);
  await t.notThrowsAsync(leave(stays, admin), 'an administrator decides');
});

// A policy on leaders is about all who make somebody lead: it comes last.
test.serial('what is prolonged is given with what policies say of who holds it, or leads', async (t) => {
  const helping = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.bind', 'here'], ['group.move', 'here']);
  const named = grant(PositionKind.POSITION_KIND_UNSPECIFIED);
  const group = await made(undefined, ROOT, helping, named);
  const { leader } = group;
  await auth.steps.putPosition({
    ...operation(),
    groupId: group.groupId,
    position: { ...grant(PositionKind.POSITION_KIND_LEADER), positionId: leader.positionId },
  });
  await auth.role('leaders-expel', [
    'permit (principal, action == Musubi::Action::"group.expel-member", resource) when { principal in resource.leaders };',
  ]);
  await auth.role(`names-${named.positionId}`, [
    `permit (principal in Musubi::Position::"${named.positionId}", action == Musubi::Action::"audit.list", resource);`,
  ]);
  const [one, friend] = [await member('leaders-expel'), await member()];
  await bind(group.groupId, friend, [leader.positionId, named.positionId]);
  const prolong = (positionId: string, endingSoonerIds: string[] = []) =>
    bind(group.groupId, friend, [leader.positionId, named.positionId], { prolongedIds: [positionId], endingSoonerIds }, one);
  await bind(group.groupId, one, [helping.positionId]);
  t.like(await t.throwsAsync(prolong(leader.positionId), EXCEEDS), { fields: [] }, 'however short');
  await t.throwsAsync(prolong(named.positionId), EXCEEDS);
  await bind(group.groupId, one, [helping.positionId, leader.positionId, named.positionId]);
  await t.notThrowsAsync(prolong(leader.positionId));
  await t.notThrowsAsync(prolong(named.positionId));
  await t.throwsAsync(prolong(leader.positionId, [leader.positionId]), EXCEEDS, 'it leads for less long');
  await t.throwsAsync(prolong(named.positionId, [named.positionId]), EXCEEDS);
  // Nor has who leads until a moment others lead it by a move.
  const own = await made(one.memberId);
  const making = { ...grant(PositionKind.POSITION_KIND_LEADER, ['group.create', 'here']), positionId: own.leader.positionId };
  await auth.steps.putPosition({ ...operation(), groupId: own.groupId, position: making, tenure: undefined });
  const move = (endingIds: string[]) =>
    auth.steps.moveGroup({
      ...{ ...operation(), groupId: group.groupId, parentId: own.groupId, endingIds },
      permit: one.permit(group.groupId, 'group.move'),
    });
  await t.throwsAsync(move([leader.positionId]), EXCEEDS);
  await t.notThrowsAsync(move([]), 'who leads without end');
});
