import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf } from '../groups/groups.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Who is invited to a group sees it; and nobody brings others in, or itself, to what it does not hold there.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  await putRootGroup(auth.store, []);
  await auth.role('finds', [
    'permit (principal, action == Musubi::Action::"group.read", resource) when { principal in resource.invited };',
    'permit (principal, action == Musubi::Action::"group.accept-invitation", resource) when { principal in resource.invited };',
    'permit (principal, action == Musubi::Action::"group.join", resource);',
  ]);
  await auth.role('reads', ['permit (principal, action == Musubi::Action::"member.read", resource);']);
  await auth.role('brings-in', [
    'permit (principal, action in [Musubi::Action::"group.invite-member", Musubi::Action::"group.add-member", Musubi::Action::"group.approve-request"], resource);',
  ]);
});
test.after.always(() => auth?.close());

const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };
type Asked = { isMember?: boolean; isInvited?: boolean };

const standings = (groupId: string, memberId: string, asked: Asked, permit?: string) => {
  const request = { ...change(), groupId, changes: [{ memberId, positions: undefined, ...asked }], permit };
  return { ...request, done: () => auth.steps.changeStandings(request) };
};
const invitedTo = async (memberId: string): Promise<string[]> =>
  (await auth.store.members.findOne({ _id: memberId }))?.invitedTo ?? [];

test('who is invited may do what the invited may, until it is not; and as before when that is undone', async (t) => {
  const [{ groupId }, { groupId: other }, guest] = [await made(undefined), await made(undefined), await member('finds')];
  const first = standings(other, guest.memberId, { isInvited: true });
  await first.done();
  await undo(first.operationId);
  const found = await auth.store.members.findOne({ _id: guest.memberId });
  t.false(Object.hasOwn(found ?? {}, 'invitedTo'), 'as a new login has it');
  await standings(other, guest.memberId, { isInvited: true }).done();
  t.false(await guest.may('group.read', groupId));
  const invited = standings(groupId, guest.memberId, { isInvited: true });
  await invited.done();
  t.true(await guest.may('group.read', groupId));
  t.false(await guest.may('group.list-members', groupId), 'and nothing more');
  await undo(invited.operationId);
  t.deepEqual(await invitedTo(guest.memberId), [other]);
  await standings(groupId, guest.memberId, { isInvited: true }).done();
  const ended = standings(groupId, guest.memberId, { isInvited: false });
  await ended.done();
  t.false(await guest.may('group.read', groupId));
  await undo(ended.operationId);
  t.true(await guest.may('group.read', groupId));
  t.deepEqual((await invitedTo(guest.memberId)).sort(), [groupId, other].sort());
});

test('who comes in, in whichever way, is not invited any more, and is again when that is undone', async (t) => {
  const [{ groupId }, guest] = [await made(undefined), await member('finds')];
  await standings(groupId, guest.memberId, { isInvited: true }).done();
  const comes = standings(groupId, guest.memberId, { isMember: true }, guest.permit(groupId, 'group.accept-invitation'));
  await comes.done();
  t.deepEqual(await invitedTo(guest.memberId), []);
  t.true(await guest.may('group.list-members', groupId));
  await undo(comes.operationId);
  t.deepEqual(await invitedTo(guest.memberId), [groupId]);
  t.false(await guest.may('group.list-members', groupId));
  await standings(groupId, guest.memberId, { isMember: true }).done();
  await standings(groupId, guest.memberId, { isInvited: true }).done();
  t.deepEqual(await invitedTo(guest.memberId), [], 'who is in it is not invited to it');
});

test('an invitation that was taken back lets nobody in', async (t) => {
  const [{ groupId }, guest] = [await made(undefined), await member('finds')];
  await standings(groupId, guest.memberId, { isInvited: true }).done();
  const permit = guest.permit(groupId, 'group.accept-invitation');
  await standings(groupId, guest.memberId, { isInvited: false }).done();
  await t.throwsAsync(standings(groupId, guest.memberId, { isMember: true }, permit).done(), { code: 'PERMISSION_REVOKED' });
});

test('nobody invites or lets in beyond what it holds there itself, least of all itself; who joins or accepts needs nothing', async (t) => {
  const [doorkeeper, guest] = [await member('finds', 'reads'), await member('finds')];
  const opens = grant(
    PositionKind.POSITION_KIND_UNSPECIFIED,
    ['group.invite-member', 'subtree'],
    ['group.approve-request', 'subtree'],
  );
  const top = await made(undefined, ROOT, opens);
  const { groupId } = await made(undefined, top.groupId);
  await auth.steps.changeStandings({
    ...change(),
    groupId: top.groupId,
    changes: [{ memberId: doorkeeper.memberId, isMember: true, positions: { positionIds: [opens.positionId] } }],
  });
  for (const { memberId } of [guest, doorkeeper]) {
    const invites = standings(groupId, memberId, { isInvited: true }, doorkeeper.permit(groupId, 'group.invite-member'));
    await t.throwsAsync(invites.done(), EXCEEDS);
    const lets = standings(groupId, memberId, { isMember: true }, doorkeeper.permit(groupId, 'group.approve-request'));
    await t.throwsAsync(lets.done(), EXCEEDS);
    t.deepEqual(await invitedTo(memberId), []);
  }
  const invites = standings(
    top.groupId,
    guest.memberId,
    { isInvited: true },
    doorkeeper.permit(top.groupId, 'group.invite-member'),
  );
  await t.notThrowsAsync(invites.done(), 'where it is a member, it holds what members hold');
  const joins = standings(groupId, doorkeeper.memberId, { isMember: true }, doorkeeper.permit(groupId, 'group.join'));
  await t.notThrowsAsync(joins.done());
});

test('whom one may not read, one neither invites nor adds, as if there was no such member; who has asked is let in', async (t) => {
  const [hidden, seen] = [await member(), await member()];
  const role = `hides-${randomUUID()}`;
  await auth.role(role, [
    `forbid (principal, action == Musubi::Action::"member.read", resource == Musubi::Member::"${hidden.memberId}");`,
  ]);
  const leader = await member('reads', 'brings-in', role);
  const { groupId } = await made(leader.memberId);
  const bringIn = (whom: string, action: string, asked: Asked) =>
    standings(groupId, whom, asked, leader.permit(groupId, action)).done();
  for (const [action, asked] of Object.entries({
    'group.invite-member': { isInvited: true },
    'group.add-member': { isMember: true },
  })) {
    await t.throwsAsync(bringIn(hidden.memberId, action, asked), { code: 'MEMBER_NOT_FOUND' }, action);
    await t.throwsAsync(bringIn(randomUUID(), action, asked), { code: 'MEMBER_NOT_FOUND' });
    await t.notThrowsAsync(bringIn(seen.memberId, action, asked));
  }
  await t.notThrowsAsync(bringIn(hidden.memberId, 'group.approve-request', { isMember: true }));
});

test('nobody is invited who is not there, nor to what is not there', async (t) => {
  const [{ groupId }, { memberId }] = [await made(undefined), await member()];
  await t.throwsAsync(standings(groupId, randomUUID(), { isInvited: true }).done(), { code: 'MEMBER_NOT_FOUND' });
  await t.throwsAsync(standings(randomUUID(), memberId, { isInvited: true }).done(), { code: 'GROUP_NOT_FOUND' });
});
