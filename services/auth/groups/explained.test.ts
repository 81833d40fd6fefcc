import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { explainGroup } from '../explain.ts';
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
  const forbids = { roleId: 'deletes-nothing', policyId: 'deletes-nothing.0', ties: [] };
  t.like(await of(leader, inner._id, bound.memberId), {
    'group.update': { allowed: false, forbidden: true, policies: [forbids], positions: [by] },
  });
  const { wouldDo } = (await of(leader, inner._id, bound.memberId))['group.update'] ?? {};
  t.deepEqual(wouldDo, [{ kind: 'member', groupId: inner._id }], 'no position lifts what forbids it');
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

test('where a policy decides by what a member is to a group, it is told what that is, and where', async (t) => {
  const [leading, named] = [position('leader'), position(null)];
  const reading = position('member', ['group.read', 'subtree'], ['position.list', 'subtree']);
  const updating = position(null, ['group.update', 'subtree'], ['group.archive', 'here']);
  const top = await add(undefined, { positions: [leading, reading, updating] });
  const inner = await add(top);
  const elsewhere = await add(undefined, { positions: [named, position('member', ['group.read', 'here'])] });
  const action = (name: string) => `action == Musubi::Action::"group.${name}"`;
  await auth.role(`ties-${top._id}`, [
    `permit (principal, ${action('expel-member')}, resource) when { principal in resource.leaders };`,
    `permit (principal, ${action('leave')}, resource) when { principal in resource.members };`,
    `permit (principal, ${action('join')}, resource) when { principal in resource.invited };`,
    `permit (principal in Musubi::Position::"${named.id}", ${action('move')}, resource in Musubi::Group::"${top._id}");`,
    `forbid (principal, ${action('delete')}, resource) unless { principal in resource.leaders };`,
  ]);
  const roles = [`ties-${top._id}`];
  const groupIds = [top._id, elsewhere._id];
  const leader = await member({ groupIds, positionIds: [leading.id, named.id], invitedTo: [inner._id] }, roles);
  const plain = await member({ groupIds }, roles);
  const of = async ({ accessToken, memberId }: typeof leader, groupId: string) => {
    const all = await explainGroup(auth, { accessToken, memberId, groupId });
    return Object.fromEntries(
      all.map(({ action, policies, wouldDo }) => [action, { ties: policies.map(({ ties }) => ties), wouldDo }]),
    );
  };
  const leads = { kind: 'leader', groupId: top._id, positionId: leading.id };
  const holds = { kind: 'holder', groupId: elsewhere._id, positionId: named.id };
  t.like(await of(leader, inner._id), {
    'group.expel-member': { ties: [[leads]], wouldDo: [] },
    'group.join': { ties: [[{ kind: 'invited', groupId: inner._id }]] },
    'group.move': { ties: [[holds, { kind: 'within', groupId: top._id }]] },
    'group.leave': { ties: [], wouldDo: [{ kind: 'member', groupId: inner._id }] },
    'group.update': { ties: [], wouldDo: [{ kind: 'holder', groupId: top._id, positionId: updating.id }] },
    'group.archive': { wouldDo: [] },
  });
  t.like(await of(leader, top._id), {
    'group.leave': { ties: [[{ kind: 'member', groupId: top._id }]] },
    'group.archive': { wouldDo: [{ kind: 'holder', groupId: top._id, positionId: updating.id }] },
  });
  const ofPlain = await of(plain, inner._id);
  t.deepEqual(ofPlain['group.expel-member'], { ties: [], wouldDo: [{ kind: 'leader', groupId: inner._id }] });
  t.deepEqual(ofPlain['group.join']?.wouldDo, [{ kind: 'invited', groupId: inner._id }]);
  t.deepEqual(ofPlain['group.delete'], { ties: [[]], wouldDo: [] }, 'to lead lifts what forbids it, and permits nothing');
});

test('a position of the whole organisation that a policy names is told, also to who is in no group', async (t) => {
  const officer = position(null);
  await auth.store.groups.updateOne({ _id: ROOT }, { $push: { positions: officer } });
  const role = `officers-${officer.id}`;
  const reads = `permit (principal in Musubi::Position::"${officer.id}", action == Musubi::Action::"group.read", resource);`;
  await auth.role(role, [reads]);
  const { accessToken, memberId } = await member({ positionIds: [officer.id] }, [role]);
  const all = await explainGroup(auth, { accessToken, memberId, groupId: (await add(undefined))._id });
  t.deepEqual(all.find(({ action }) => action === 'group.read')?.policies, [
    { roleId: role, policyId: `${role}.0`, ties: [{ kind: 'holder', groupId: ROOT, positionId: officer.id }] },
  ]);
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

test('of what a policy goes by, and of what would do, it is told as far as who asks may see it there', async (t) => {
  const roleId = `leaders-${randomUUID()}`;
  await auth.role(roleId, [
    'permit (principal, action == Musubi::Action::"group.expel-member", resource) when { principal in resource.leaders };',
  ]);
  const [leading, archiving] = [position('leader'), position(null, ['group.archive', 'subtree'])];
  const seeing = (['group.read', 'position.list', 'group.list-members'] as const).map((action): [string, 'here'] => [
    action,
    'here',
  ]);
  const top = await add(undefined, { positions: [leading, archiving] });
  const inner = await add(top, { positions: [position('member', ...seeing)] });
  const leader = await member({ groupIds: [top._id], positionIds: [leading.id] }, [roleId]);
  const inside = await member({ groupIds: [inner._id, top._id] });
  const told = async () => {
    const all = await explainGroup(auth, { accessToken: inside.accessToken, memberId: leader.memberId, groupId: inner._id });
    const of = (name: string) => all.find(({ action }) => action === name);
    return { ties: of('group.expel-member')?.policies.map(({ ties }) => ties), would: of('group.archive')?.wouldDo };
  };
  const ofItself = async () => {
    const { accessToken, memberId } = inside;
    const all = await explainGroup(auth, { accessToken, memberId, groupId: inner._id });
    return all.find(({ action }) => action === 'group.archive')?.wouldDo;
  };
  const permit = (...permissions: [string, 'here'][]) =>
    auth.store.groups.updateOne(
      { _id: top._id },
      { $set: { positions: [leading, archiving, position('member', ...permissions)] } },
    );
  const would = [{ kind: 'holder', groupId: top._id, positionId: archiving.id }];
  t.deepEqual([await told(), await ofItself()], [{ ties: [[]], would: [] }, []], 'it may see nothing of that one');
  await permit(['group.read', 'here']);
  t.deepEqual([await told(), await ofItself()], [{ ties: [[]], would: [] }, []], 'nor who is in it, and the positions there');
  await permit(['group.read', 'here'], ['position.list', 'here']);
  t.deepEqual([await told(), await ofItself()], [{ ties: [[]], would: [] }, would], 'of itself it asks for no others');
  await permit(...seeing);
  t.deepEqual(
    [await told(), await ofItself()],
    [{ ties: [[{ kind: 'leader', groupId: top._id, positionId: leading.id }]], would }, would],
  );
});
