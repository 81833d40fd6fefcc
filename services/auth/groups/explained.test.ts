import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { explainGroup } from '../access.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { askingOf, position } from './asking.fixture.ts';

// What decides what members may do in groups, as it is explained to who asks.

let auth: TestAuth;
let { add, member } = {} as ReturnType<typeof askingOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ add, member } = askingOf(auth));
  await auth.role('finds', ['permit (principal, action, resource is Musubi::Group) when { resource.findable };']);
  await auth.store.groups.insertOne({ _id: ROOT, path: [ROOT], findable: true, positions: [], version: 1 });
});
test.after.always(() => auth?.close());

const DENIED = { code: 'PERMISSION_DENIED' };

test('what a member may do in a group is explained: which policy, of which position, in which group above', async (t) => {
  const leading = position(
    'leader',
    ['group.update', 'subtree'],
    ['group.read', 'subtree'],
    ['position.list', 'subtree'],
    ['group.list-members', 'subtree'],
    ['group.delete', 'here'],
  );
  const top = await add(undefined, { positions: [leading] });
  const inner = await add(top);
  await auth.role('deletes-nothing', [
    'forbid (principal, action == Musubi::Action::"group.update", resource) when { !(principal in resource.members) };',
  ]);
  const leader = await member({ groupIds: [top._id], positionIds: [leading.id] });
  const bound = await member({ groupIds: [top._id], positionIds: [leading.id] }, ['deletes-nothing']);
  const of = async ({ accessToken, memberId }: { accessToken: string; memberId: string }, groupId: string, about = memberId) => {
    const all = await explainGroup(auth, { accessToken, memberId: about, groupId });
    t.is(all.length, auth.policies.actionsOn('Group').length);
    return Object.fromEntries(all.map(({ action, ...one }) => [action, one]));
  };
  const by = { positionId: leading.id, groupId: top._id };
  t.like(await of(leader, inner._id), {
    'group.update': { allowed: true, forbidden: false, policies: [], positions: [by] },
    'group.delete': { allowed: false, forbidden: false, policies: [], positions: [] },
  });
  t.like(await of(leader, top._id), { 'group.delete': { allowed: true, positions: [by] } });
  const forbids = { roleId: 'deletes-nothing', policyId: 'deletes-nothing.0' };
  t.like(await of(leader, inner._id, bound.memberId), {
    'group.update': { allowed: false, forbidden: true, policies: [forbids], positions: [by] },
  });
  const reader = await add(undefined, { positions: [position('member', ['group.read', 'here'])] });
  const inside = await member({ groupIds: [reader._id] });
  t.like(await of(inside, reader._id), { 'group.read': { allowed: true } });
  await t.throwsAsync(of(inside, reader._id, leader.memberId), DENIED, 'of others asks who may see positions');
  const listing = await add(undefined, { positions: [position('member', ['group.read', 'here'], ['position.list', 'here'])] });
  const other = await member({ groupIds: [listing._id] });
  const asking = await member({ groupIds: [listing._id] });
  await t.throwsAsync(of(asking, listing._id, other.memberId), DENIED, 'and members, as it tells who is in the group');
  await t.throwsAsync(of(inside, top._id), { code: 'GROUP_NOT_FOUND' }, 'as if there was none');
});

test('who asks what another member may do in a group learns of no group above that it may not read', async (t) => {
  const leading = position('leader', ['group.update', 'subtree']);
  const seeing = (['position.list', 'group.list-members'] as const).map((action): [string, 'here'] => [action, 'here']);
  const ofAll = position('member', ...seeing);
  const top = await add(undefined, { positions: [leading] });
  const inner = await add(top, { positions: [position('member', ['group.read', 'here'], ...seeing)] });
  const leader = await member({ groupIds: [top._id], positionIds: [leading.id] });
  const inside = await member({ groupIds: [inner._id] });
  const asked = { accessToken: inside.accessToken, memberId: leader.memberId, groupId: inner._id };
  const update = async () => (await explainGroup(auth, asked)).find(({ action }) => action === 'group.update');
  t.like(await update(), { allowed: true, positions: { length: 0 } });
  await auth.store.groups.updateOne({ _id: top._id }, { $set: { findable: true } });
  await auth.store.members.updateOne({ _id: inside.memberId }, { $set: { roleIds: ['finds'] } });
  t.like(await update(), { allowed: true, positions: [{ positionId: leading.id, groupId: top._id }] }, 'that role permits all');
  await auth.role('reads', ['permit (principal, action == Musubi::Action::"group.read", resource) when { resource.findable };']);
  await auth.store.members.updateOne({ _id: inside.memberId }, { $set: { roleIds: ['reads'] } });
  t.like(await update(), { allowed: true, positions: { length: 0 } }, 'who reads it does not see who is in it');
  await auth.store.groups.updateOne({ _id: top._id }, { $set: { positions: [leading, ofAll] } });
  await auth.store.members.updateOne({ _id: inside.memberId }, { $set: { groupIds: [inner._id, top._id] } });
  t.like(await update(), { allowed: true, positions: [{ positionId: leading.id, groupId: top._id }] });
});
