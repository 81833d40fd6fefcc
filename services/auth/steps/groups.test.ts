import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import { authorize } from '../access.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, grant, groupsOf, moving, operation } from '../groups/groups.fixture.ts';
import { holdsThere } from '../groups/holds-there.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Auth's copy of the groups: where they are, and that nothing is granted in those that are gone.

let auth: TestAuth;
let { member, made, pathOf, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, pathOf, undo } = groupsOf(auth));
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
  await putRootGroup(auth.store, [grant(PositionKind.POSITION_KIND_MEMBER)]);
});
test.after.always(() => auth?.close());

const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };

test('the whole organisation is put in place once, and keeps its positions', async (t) => {
  t.like(await auth.store.groups.findOne({ _id: ROOT }), { path: [ROOT], findable: true, positions: { length: 0 } });
});

test('a group is where it was put, and led by who creates it; undone, it is nowhere', async (t) => {
  const one = await member();
  const top = await made(one.memberId);
  const inner = await made(undefined, top.groupId);
  t.deepEqual(await pathOf(inner.groupId), [ROOT, top.groupId, inner.groupId]);
  t.true(await one.may('group.update', inner.groupId));
  const standings = async () => (await auth.store.members.findOne({ _id: one.memberId }))?.standings;
  t.is(await standings(), 1, 'what it is has changed, for who compares it with what it was');
  await undo(inner.operationId);
  await undo(top.operationId);
  t.is(await standings(), 2);
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
  await auth.steps.moveGroup({ ...moving(), groupId: below.groupId, parentId: pair.groupId });
  const parent = (await pathOf(parentId))?.at(-2) ?? '';
  await t.throwsAsync(auth.steps.moveGroup({ ...moving(), groupId: pair.groupId, parentId: parent }), {
    code: 'GROUP_TOO_DEEP',
  });
  await t.notThrowsAsync(auth.steps.moveGroup({ ...moving(), groupId: below.groupId, parentId: parent }));
});

test('a group is moved with all that is below it, never into itself, and back', async (t) => {
  const one = await member();
  const [from, to] = [await made(one.memberId), await made(undefined)];
  const moved = await made(undefined, from.groupId);
  const below = await made(undefined, moved.groupId);
  t.true(await one.may('group.update', below.groupId));
  const move = { ...moving(), groupId: moved.groupId, parentId: to.groupId };
  await auth.steps.moveGroup(move);
  t.deepEqual(await pathOf(below.groupId), [ROOT, to.groupId, moved.groupId, below.groupId]);
  t.false(await one.may('group.update', below.groupId), 'who leads where it was leads it no more');
  for (const parentId of [moved.groupId, below.groupId])
    await t.throwsAsync(auth.steps.moveGroup({ ...moving(), groupId: moved.groupId, parentId }), { code: 'GROUP_CYCLE' });
  await undo(move.operationId);
  t.deepEqual(await pathOf(below.groupId), [ROOT, from.groupId, moved.groupId, below.groupId]);
  t.true(await one.may('group.update', below.groupId));
});

test('two moves at once that would together make a cycle: one is refused', async (t) => {
  for (let round = 0; round < 5; round++) {
    const [a, b] = [await made(undefined), await made(undefined)];
    // What has taken something in before is written to no less.
    for (const { groupId } of [a, b]) await made(undefined, groupId);
    const moves = await Promise.allSettled([
      auth.steps.moveGroup({ ...moving(), groupId: a.groupId, parentId: b.groupId }),
      auth.steps.moveGroup({ ...moving(), groupId: b.groupId, parentId: a.groupId }),
    ]);
    const refused = moves.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    t.deepEqual(refused, ['GROUP_CYCLE']);
  }
});

test('what is put below a group while it is moved is moved with it', async (t) => {
  for (let round = 0; round < 5; round++) {
    const [moved, to] = [await made(undefined), await made(undefined)];
    await made(undefined, moved.groupId);
    const [inner] = await Promise.all([
      made(undefined, moved.groupId),
      auth.steps.moveGroup({ ...moving(), groupId: moved.groupId, parentId: to.groupId }),
    ]);
    t.deepEqual(await pathOf(inner.groupId), [ROOT, to.groupId, moved.groupId, inner.groupId]);
  }
});

test('who moves a group gives nobody more in it than it holds there itself, and puts it where it may make groups', async (t) => {
  await auth.role('makes', ['permit (principal, action == Musubi::Action::"group.create", resource);']);
  const [one, other] = [await member('makes'), await member()];
  const mine = await made(one.memberId);
  const stronger = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.delete', 'subtree']);
  const [same, strong] = [await made(undefined), await made(undefined, ROOT, stronger)];
  const here = await made(undefined, ROOT, grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.delete', 'here']));
  const move = (parentId: string, { memberId, permit } = one) =>
    auth.steps.moveGroup({
      operationId: `${memberId}/${randomUUID()}`,
      groupId: mine.groupId,
      parentId,
      endingIds: [],
      permit: permit(mine.groupId),
    });
  await t.throwsAsync(move(strong.groupId), EXCEEDS);
  const others = await made(other.memberId);
  const asOther = { groupId: others.groupId, parentId: same.groupId, permit: other.permit(others.groupId) };
  await t.throwsAsync(auth.steps.moveGroup({ ...moving(), ...asOther }), EXCEEDS, 'it may make none there');
  await t.notThrowsAsync(move(same.groupId));
  await t.notThrowsAsync(move(here.groupId), 'what reaches no further is nothing to the group');
  await t.notThrowsAsync(move(strong.groupId, await member('admin')));
  // What a policy names is not left, nor entered, by who is no administrator.
  await t.notThrowsAsync(move(here.groupId, await member('admin')));
  const below = await made(undefined, here.groupId);
  await auth.role(`names-${below.groupId}`, [
    `forbid (principal, action == Musubi::Action::"group.archive", resource == Musubi::Group::"${here.groupId}");`,
  ]);
  await t.throwsAsync(move(ROOT), EXCEEDS, 'it would be left');
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
  await t.throwsAsync(auth.steps.moveGroup({ ...moving(), groupId: inner.groupId, parentId: ROOT }), {
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

test('a group that is removed is there for nobody, whatever policies permit, until that is undone', async (t) => {
  const role = `finds-${randomUUID()}`;
  await auth.role(role, [
    'permit (principal, action == Musubi::Action::"group.read", resource is Musubi::Group) when { resource.findable };',
    'permit (principal, action == Musubi::Action::"group.update", resource);',
  ]);
  const one = await member(role);
  const { groupId } = await made(undefined);
  const removal = { ...operation(), groupId };
  const reads = () => one.may('group.read', groupId);
  const holds = () => holdsThere(auth, one.memberId, groupId, [{ action: 'group.update', reach: 'here' }]);
  t.deepEqual([await reads(), await holds()], [true, true]);
  await auth.steps.removeGroups(removal);
  t.deepEqual([await reads(), await holds()], [false, false]);
  await undo(removal.operationId);
  t.deepEqual([await reads(), await holds()], [true, true]);
});

test('of what is forgotten nobody is a member any more, nor invited; a hundred groups are forgotten at once at most', async (t) => {
  const [one, guest] = [await member(), await member()];
  const [gone, kept] = [await made(one.memberId), await made(one.memberId)];
  const invite = (groupId: string) =>
    auth.steps.changeStandings({
      ...change(),
      groupId,
      changes: [{ memberId: guest.memberId, isInvited: true, positions: undefined }],
    });
  for (const { groupId } of [gone, kept]) await invite(groupId);
  const ties = async ({ memberId }: typeof one) => {
    const { groupIds = [], invitedTo = [], standings = 0 } = (await auth.store.members.findOne({ _id: memberId })) ?? {};
    return { groupIds, invitedTo, standings };
  };
  const before = [await ties(one), await ties(guest)] as const;
  await auth.steps.removeGroups({ ...operation(), groupId: gone.groupId });
  const positionIds = [gone.leader.positionId, gone.everybody.positionId];
  await auth.steps.forgetGroups({ ...operation(), groupIds: [gone.groupId], positionIds });
  const [after, ofGuest] = [await ties(one), await ties(guest)];
  t.deepEqual([after.groupIds, ofGuest.invitedTo], [[kept.groupId], [kept.groupId]]);
  t.true(after.standings > before[0].standings && ofGuest.standings > before[1].standings, 'each is another one from then on');
  const many = Array.from({ length: 101 }, () => randomUUID());
  await t.throwsAsync(auth.steps.forgetGroups({ ...operation(), groupIds: many, positionIds: [] }), { code: 'INVALID_ARGUMENT' });
});

test('what is removed is in no list any more, until that is undone', async (t) => {
  const one = await member();
  const [top, other] = [await made(one.memberId), await made(one.memberId)];
  const inner = await made(undefined, top.groupId);
  const seen = async (action: string) => {
    const resource = { type: 'Group', id: '', ownerId: '' };
    return JSON.stringify((await authorize(auth, { accessToken: one.accessToken, action, resource, filtered: true })).seen);
  };
  const shows = async ({ groupId }: { groupId: string }): Promise<boolean[]> => [
    (await seen('group.update')).includes(groupId),
    (await seen('group.list-members')).includes(groupId),
  ];
  const removal = { ...operation(), groupId: top.groupId };
  t.deepEqual(
    [await shows(top), await shows(other)],
    [
      [true, true],
      [true, true],
    ],
  );
  await auth.steps.removeGroups(removal);
  t.deepEqual(
    [await shows(top), await shows(inner), await shows(other)],
    [
      [false, false],
      [false, false],
      [true, true],
    ],
  );
  await undo(removal.operationId);
  t.deepEqual(await shows(top), [true, true]);
});

test('a policy that names the position of all members, to which nobody is bound, is refused when it is written', async (t) => {
  const { groupId, leader, everybody } = await made(undefined);
  const naming = (positionId: string) => ({
    ...operation(),
    policy: {
      policyId: randomUUID(),
      name: 'p',
      cedar: `forbid (principal in Musubi::Position::"${positionId}", action, resource);`,
    },
    roleIds: [],
    raw: true,
  });
  const refused = await t.throwsAsync(auth.steps.changePolicy(naming(everybody.positionId)), { code: 'INVALID_POLICY' });
  t.like(refused, { fields: [{ field: 'cedar' }] });
  t.regex(
    refused?.message ?? '',
    new RegExp(`position ${everybody.positionId}, which all members of group ${groupId} hold.*resource\\.members`),
  );
  for (const { positionId } of [leader, { positionId: randomUUID() }])
    await t.notThrowsAsync(auth.steps.changePolicy(naming(positionId)));
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
