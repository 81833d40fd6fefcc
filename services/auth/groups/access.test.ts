import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { authorize, check } from '../access.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { simulate } from '../explain.ts';
import { askingOf, group, position } from './asking.fixture.ts';
import type { Group } from './group.ts';

// What members may do in groups, by what the store has of both.

let auth: TestAuth;
let { add, member } = {} as ReturnType<typeof askingOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ add, member } = askingOf(auth));
  await auth.role('finds', ['permit (principal, action, resource is Musubi::Group) when { resource.findable };']);
  await auth.role('admin', ['permit (principal, action, resource);']);
  await auth.store.groups.insertOne({ _id: ROOT, path: [ROOT], findable: true, positions: [], version: 1 });
});
test.after.always(() => auth?.close());

const DENIED = { code: 'PERMISSION_DENIED' };
test('what a position grants holds in its group, and in all below it where it reaches so far', async (t) => {
  const [here, below] = [position(null, ['group.update', 'here']), position('leader', ['group.update', 'subtree'])];
  const top = await add(undefined, { positions: [here, below] });
  const middle = await add(top);
  const bottom = await add(middle);
  const beside = await add(undefined);
  const ids = [top, middle, bottom, beside].map(({ _id }) => _id);
  const bound = (positionId: string) => member({ groupIds: [top._id], positionIds: [positionId] });
  t.deepEqual(await (await bound(here.id)).may('group.update', ...ids), [true, false, false, false]);
  t.deepEqual(await (await bound(below.id)).may('group.update', ...ids), [true, true, true, false]);
  t.deepEqual(await (await bound(below.id)).may('group.delete', ...ids), [false, false, false, false]);
  const unbound = await member({ groupIds: [top._id] });
  t.deepEqual(await unbound.may('group.update', ...ids), [false, false, false, false]);
  const left = await member({ positionIds: [below.id] });
  t.deepEqual(
    await left.may('group.update', ...ids),
    [false, false, false, false],
    'who is not in the group holds nothing there',
  );
});

test('everybody in a group holds the position of its members; everybody is in the whole organisation', async (t) => {
  const top = await add(undefined, { positions: [position('member', ['group.list-members', 'here'])] });
  const inside = await member({ groupIds: [top._id] });
  const outside = await member({});
  t.deepEqual(await inside.may('group.list-members', top._id), [true]);
  t.deepEqual(await outside.may('group.list-members', top._id), [false]);
  const ofAll = position('member', ['position.delete', 'here'], ['position.list', 'subtree']);
  await auth.store.groups.updateOne({ _id: ROOT }, { $set: { positions: [ofAll] } });
  t.deepEqual(await outside.may('position.delete', ROOT, top._id), [true, false]);
  t.deepEqual(await outside.may('position.list', ROOT, top._id), [true, true]);
  await auth.store.groups.updateOne({ _id: ROOT }, { $set: { positions: [] } });
  t.deepEqual(await outside.may('position.delete', ROOT), [false]);
});

test('policies know the groups that a group is in, and the positions that a member holds', async (t) => {
  const top = await add(undefined, { findable: true });
  const inner = await add(await add(top));
  const held = randomUUID();
  await auth.role(`in-${top._id}`, [
    `permit (principal, action == Musubi::Action::"group.move", resource in Musubi::Group::"${top._id}");`,
    `permit (principal in Musubi::Position::"${held}", action == Musubi::Action::"group.archive", resource);`,
    'permit (principal, action == Musubi::Action::"group.join", resource) when { principal in resource.invited };',
  ]);
  const one = await member({ positionIds: [held], invitedTo: [inner._id] }, [`in-${top._id}`]);
  const other = await member({}, [`in-${top._id}`]);
  const beside = await add(undefined);
  t.deepEqual(await one.may('group.move', top._id, inner._id, beside._id), [true, true, false]);
  t.deepEqual(await one.may('group.archive', beside._id), [true]);
  t.deepEqual(await other.may('group.archive', beside._id), [false]);
  t.deepEqual(await one.may('group.join', inner._id, top._id), [true, false]);
});

test('what a position is named for holds of everything, not only of groups', async (t) => {
  const held = randomUUID();
  await auth.role(`of-${held}`, [
    'permit (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource);',
    `forbid (principal in Musubi::Position::"${held}", action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource);`,
    `permit (principal in Musubi::Position::"${held}", action == Musubi::Action::"audit.list", resource);`,
  ]);
  const [one, other] = [await member({ positionIds: [held] }, [`of-${held}`]), await member({}, [`of-${held}`])];
  const asked = [
    { action: 'member.read', resource: { type: 'Member', id: other.memberId, ownerId: '' } },
    { action: 'audit.list', resource: { type: 'System', id: '', ownerId: '' } },
  ];
  const all = { action: 'member.list', resource: { type: 'Member', id: '', ownerId: '' }, filtered: true };
  for (let round = 0; round < 2; round++) {
    t.deepEqual(await check(auth, { accessToken: other.accessToken, checks: asked }), [true, false]);
    t.deepEqual(await check(auth, { accessToken: one.accessToken, checks: asked }), [false, true]);
    t.true((await authorize(auth, { accessToken: other.accessToken, ...all })).seen);
    await t.throwsAsync(authorize(auth, { accessToken: one.accessToken, ...all }), DENIED);
  }
});

test('however much a member is bound to, it is answered, and so is who asks at the same time', async (t) => {
  const everything = auth.policies.actionsOn('Group').flatMap((action): [string, 'here' | 'subtree'][] => [
    [action, 'here'],
    [action, 'subtree'],
  ]);
  const groups: Group[] = Array.from({ length: 100 }, () => {
    const _id = randomUUID();
    return {
      _id,
      path: [ROOT, _id],
      findable: false,
      version: 1,
      positions: Array.from({ length: 98 }, () => position(null, ...everything)),
    };
  });
  await auth.store.groups.insertMany(groups);
  const positionIds = groups.flatMap((one) => one.positions.map(({ id }) => id));
  const bound = await member({ groupIds: groups.map(({ _id }) => _id), positionIds });
  const other = await member({}, ['finds']);
  const [mine, others] = await Promise.all([bound.seen('group.list'), other.seen('group.list')]);
  t.like(mine, { in: { length: 100 } });
  t.deepEqual(others, { findable: true });
});

test('those who ask at the same time get what is theirs', async (t) => {
  const groups = await Promise.all(
    Array.from({ length: 6 }, () => add(undefined, { positions: [position('leader', ['group.update', 'subtree'])] })),
  );
  const below = await Promise.all(groups.map((one) => add(one)));
  const leaders = await Promise.all(
    groups.map(({ _id, positions: [leader] }) => member({ groupIds: [_id], positionIds: [leader?.id ?? ''] })),
  );
  const asked = await Promise.all(leaders.flatMap(({ may }) => below.map(({ _id }) => may('group.update', _id))));
  t.deepEqual(
    asked.flat(),
    leaders.flatMap((_, mine) => below.map((__, at) => at === mine)),
  );
});

test('what may be listed is what is found, what one is in, what one is invited to and what is below what one leads', async (t) => {
  const leading = position('leader', ['group.list', 'subtree']);
  const [found, mine, led, invited] = [
    await add(undefined, { findable: true }),
    await add(undefined, { positions: [position('member', ['group.list', 'here'], ['group.read', 'here'])] }),
    await add(undefined, { positions: [leading] }),
    await add(undefined),
  ];
  const one = await member({ groupIds: [mine._id, led._id], positionIds: [leading.id], invitedTo: [invited._id] }, ['finds']);
  t.deepEqual(await one.seen('group.list'), {
    anyOf: [{ findable: true }, { ids: [mine._id] }, { in: [{ type: 'Group', id: led._id }] }],
  });
  t.is(await one.seen('group.read', mine._id), true);
  t.is(await one.seen('group.read', found._id), true);
  await t.throwsAsync(one.seen('group.read', led._id), DENIED);
  t.deepEqual(await one.seen('group.list-members'), { findable: true }, 'of which its members may be listed, too');
  await t.throwsAsync(one.seen('group.read', randomUUID()), DENIED, 'as of one that there is not');
  const nobody = await member({});
  await t.throwsAsync(nobody.seen('group.list'), DENIED);
  const admin = await member({}, ['admin']);
  t.is(await admin.seen('group.list'), true);
  t.is(await admin.seen('group.read', randomUUID()), true, 'whether it is there, others know');
});

test('what would be allowed to a member is told as it would be decided', async (t) => {
  const leading = position('leader', ['group.update', 'subtree']);
  const top = await add(undefined, { positions: [leading] });
  const inner = await add(top);
  const { memberId } = await member({ groupIds: [top._id], positionIds: [leading.id] });
  const admin = await member({}, ['admin']);
  const asked = { accessToken: admin.accessToken, memberId, resource: group(inner._id) };
  t.like(await simulate(auth, { ...asked, action: 'group.update' }), { allowed: true });
  t.like(await simulate(auth, { ...asked, action: 'group.delete' }), { allowed: false, policies: [] });
  await t.throwsAsync(simulate(auth, { ...asked, memberId: randomUUID(), action: 'group.update' }), { code: 'MEMBER_NOT_FOUND' });
});

test('of a group that is gone, and that everybody could find, it is decided as if it was there still', async (t) => {
  const parent = await add(undefined, { findable: true });
  const [gone, named] = [randomUUID(), randomUUID()];
  const one = await member({}, ['finds']);
  await auth.role(`not-${named}`, [
    'permit (principal, action, resource is Musubi::Group) when { resource.findable };',
    `forbid (principal, action, resource == Musubi::Group::"${named}");`,
  ]);
  const other = await member({}, [`not-${named}`]);
  const reads = async ({ accessToken }: { accessToken: string }, id: string, goneFrom?: string) =>
    (await check(auth, { accessToken, checks: [{ action: 'group.read', resource: group(id), goneFrom }] }))[0];
  t.false(await reads(one, gone), 'Auth does not know it any more');
  t.true(await reads(one, gone, parent._id));
  t.false(await reads(one, gone, randomUUID()), 'nor is what it was in there still');
  t.true(await reads(one, named, parent._id));
  t.false(await reads(other, named, parent._id), 'from whom it was hidden by its ID');
  t.true(await reads(other, gone, parent._id));
  await auth.role(`not-in-${parent._id}`, [
    'permit (principal, action, resource is Musubi::Group) when { resource.findable };',
    `forbid (principal, action, resource in Musubi::Group::"${parent._id}") unless { principal in resource.members };`,
  ]);
  const inside = await member({ groupIds: [parent._id] }, [`not-in-${parent._id}`]);
  t.true(await reads(inside, parent._id));
  t.false(await reads(inside, gone, parent._id), 'or by what it was in: who is in that was not in it');
  const led = await add(undefined, {
    positions: [position('leader', ['group.read', 'subtree']), position('member', ['group.read', 'here'])],
  });
  const leader = await member({ groupIds: [led._id], positionIds: [led.positions[0]?.id ?? ''] });
  t.true(await reads(leader, gone, led._id));
  t.false(await reads(await member({ groupIds: [led._id] }), gone, led._id), 'what is granted there only is not granted below');
});

test('those who ask at the same time share a look-up, and nothing of each other', async (t) => {
  const roleIds = [randomUUID(), randomUUID()];
  const [leading, keeping] = [position('leader', ['group.update', 'subtree']), position(null, ['group.update', 'here'])];
  const top = await add(undefined, { positions: [leading, keeping, position('member', ['group.list-members', 'here'])] });
  const below = await add(top, { positions: [position(null, ['group.update', 'here'])] });
  const beside = await add(undefined, { positions: [position('leader', ['group.update', 'subtree'])] });
  const [own = ''] = beside.positions.map(({ id }) => id);
  await auth.role(roleIds[0] ?? '', [`permit (principal, action, resource in Musubi::Group::"${beside._id}");`]);
  await auth.role(roleIds[1] ?? '', [
    `permit (principal in Musubi::Position::"${own}", action == Musubi::Action::"group.archive", resource);`,
  ]);
  const members = await Promise.all([
    member({ groupIds: [top._id], positionIds: [leading.id] }),
    member({ groupIds: [top._id], positionIds: [keeping.id] }),
    member({ groupIds: [top._id, beside._id], positionIds: [own] }, roleIds.slice(1)),
    member({ groupIds: [below._id], positionIds: below.positions.map(({ id }) => id), invitedTo: [beside._id] }),
    member({ groupIds: [beside._id], positionIds: [own] }),
    member({}, roleIds.slice(0, 1)),
    member({}, roleIds),
    member({}),
  ]);
  const ids = [top, below, beside].map(({ _id }) => _id);
  const others = await Promise.all(Array.from({ length: 30 }, async (_, i) => (await add(i % 2 ? top : beside))._id));
  const actions = ['group.update', 'group.list-members', 'group.archive'];
  const asked = members.flatMap(({ may, seen }) => [
    ...actions.map((action) => () => may(action, ...ids)),
    ...ids.map((id) => () => may('group.update', id)),
    () => may('group.update', ...ids, ...others),
    () => seen('group.list').catch(({ code }) => code),
  ]);
  const alone: unknown[] = [];
  for (const ask of asked) alone.push(await ask());
  t.true(new Set(alone.map((answer) => JSON.stringify(answer))).size > 8, 'they differ');
  for (let round = 0; round < 3; round++) t.deepEqual(await Promise.all(asked.map((ask) => ask())), alone);
});
