import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { GroupPart } from '#proto/musubi/query/v1/query.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { CREATED, memberEvent, memberRolesEvent } from './events.fixture.ts';
import { bindingsEvent, groupEvent, membershipEvent, positionEvent } from './group-events.fixture.ts';
import { project } from './projector.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { getGroup, listAncestors } from './queries/groups.ts';
import { getPosition, listPositions } from './queries/positions.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, FINDABLE, NOTHING, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('query_group_members');
const searches = newSearches();
const { turns } = searches;
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await project(db, [groupEvent('root', 1, { parentId: undefined, name: 'All' })]);
});
test.after.always(() => scratch.drop());

/** A group with members of these names, and the positions of a group. */
async function groupOf(...names: string[]) {
  const [groupId, leader, member, own] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const ids = new Map(names.map((name) => [name, randomUUID()]));
  await project(db, [
    groupEvent(groupId, 1, { name: 'group' }),
    positionEvent(leader, 1, { groupId, name: 'Leader', kind: 'POSITION_KIND_LEADER' }),
    positionEvent(member, 1, { groupId, name: 'member', kind: 'POSITION_KIND_MEMBER' }),
    positionEvent(own, 1, { groupId, name: 'Own', permissions: [{ action: 'group.update', reach: 'REACH_SUBTREE' }] }),
    ...[...ids].flatMap(([displayName, id]) => [memberEvent(id, 1, { displayName }), membershipEvent(groupId, id, 1)]),
  ]);
  return { groupId, leader, member, own, id: (name: string) => ids.get(name) ?? '' };
}
const list = async (
  groupId: string,
  given: { positionId?: string; tag?: string; pageSize?: number; pageToken?: string; seen?: Condition | undefined } = {},
) => {
  const { members, nextPageToken } = await listGroupMembers(
    { db, searches },
    { memberId: 'm', groupId, positionId: '', tag: '', pageSize: 0, pageToken: '', filter: '', orderBy: '', seen: ALL, ...given },
  );
  return { members, names: members.map(({ member }) => member?.displayName).join(' '), nextPageToken };
};
const GROUP_NOT_FOUND = { code: 'GROUP_NOT_FOUND' };
const POSITION_NOT_FOUND = { code: 'POSITION_NOT_FOUND' };

test.serial('who is in a group is listed by name, a page at a time, with what it is bound to there', async (t) => {
  const { groupId, leader, own, id } = await groupOf('Zoë', 'ann', 'Bob');
  const until = new Date('2027-01-01T00:00:00Z');
  await project(db, [
    memberRolesEvent(id('ann'), 1, ['r']),
    bindingsEvent(groupId, id('ann'), 1, [leader, { positionId: own, until }]),
    bindingsEvent('root', id('Bob'), 1, ['elsewhere']),
  ]);
  const { members, names } = await list(groupId);
  t.is(names, 'ann Bob Zoë');
  t.like(members[0], {
    joinedAt: CREATED,
    positions: [
      { positionId: leader, boundAt: CREATED, until: undefined },
      { positionId: own, boundAt: CREATED, until },
    ],
    member: { memberId: id('ann'), loginId: 'alice', roleIds: ['r'], version: 1, suspendedAt: undefined },
  });
  t.deepEqual(members[1]?.positions, []);
  const first = await list(groupId, { pageSize: 2 });
  t.is(first.names, 'ann Bob');
  await project(db, [membershipEvent(groupId, randomUUID(), 1), bindingsEvent(groupId, id('ann'), 2, [])]);
  t.deepEqual(await list(groupId, { pageSize: 2, pageToken: first.nextPageToken }).then(({ names }) => names), 'Zoë');
  t.deepEqual((await list(groupId)).members[0]?.positions, []);
  const other = await groupOf('x');
  await t.throwsAsync(list(other.groupId, { pageToken: first.nextPageToken }), { code: 'PAGE_TOKEN_INVALID' });
});

test.serial('members are filtered by a position: of that of all members, they are all', async (t) => {
  const { groupId, leader, member, own, id } = await groupOf('ann', 'Bob', 'cy');
  await project(db, [bindingsEvent(groupId, id('cy'), 1, [leader, own]), bindingsEvent(groupId, id('Bob'), 1, [own])]);
  const names = async (positionId: string) => (await list(groupId, { positionId })).names;
  t.is(await names(own), 'Bob cy');
  t.is(await names(leader), 'cy');
  t.is(await names(member), 'ann Bob cy');
  const { nextPageToken: pageToken } = await list(groupId, { positionId: own, pageSize: 1 });
  t.is((await list(groupId, { positionId: own, pageToken })).names, 'cy');
  await t.throwsAsync(list(groupId, { positionId: leader, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  const other = await groupOf();
  for (const nobody of [other.own, randomUUID(), '\0'])
    t.like(await t.throwsAsync(names(nobody), POSITION_NOT_FOUND), { fields: [{ field: 'positionId' }] });
  for (const nobody of [randomUUID(), '\0', ''])
    await t.throwsAsync(list(nobody, { positionId: own }), { code: 'GROUP_NOT_FOUND' });
});

test.serial('of members, those are listed that are seen, are registered, and have not left', async (t) => {
  const { groupId, id } = await groupOf('ann', 'Bob', 'cy', 'di');
  t.is((await list(groupId, { seen: only(id('Bob'), id('cy')) })).names, 'Bob cy');
  for (const seen of [NOTHING, undefined]) t.is((await list(groupId, { seen })).names, '');
  await project(db, [membershipEvent(groupId, id('Bob'), 2, false), memberEvent(id('di'), 2, { status: 'PENDING' })]);
  t.is((await list(groupId)).names, 'ann cy');
  await project(db, [membershipEvent(groupId, id('Bob'), 1), memberEvent(id('ann'), 2, undefined)]);
  t.is((await list(groupId)).names, 'cy', 'old events bring nobody back');
});

test.serial('positions of a group are listed by name, and shown to who may see the group', async (t) => {
  const { groupId, leader, own } = await groupOf();
  const all = (given: { pageSize?: number; pageToken?: string; seen?: Condition | undefined } = {}) =>
    listPositions(db, { groupId, pageSize: 0, pageToken: '', filter: '', orderBy: '', seen: ALL, ...given });
  const names = async (given: Parameters<typeof all>[0]) => (await all(given)).positions.map(({ name }) => name).join(' ');
  t.is(await names({}), 'Leader member Own');
  const { nextPageToken: pageToken } = await all({ pageSize: 1 });
  t.is(await names({ pageToken }), 'member Own');
  t.deepEqual(await getPosition(db, { groupId, positionId: own, seen: only(groupId) }), {
    positionId: own,
    groupId,
    name: 'Own',
    kind: 'POSITION_KIND_UNSPECIFIED',
    permissions: [{ action: 'group.update', reach: 'REACH_SUBTREE' }],
    createdAt: CREATED,
    updatedAt: CREATED,
    version: 1,
  });
  t.like(await getPosition(db, { groupId, positionId: leader, seen: ALL }), { kind: 'POSITION_KIND_LEADER', permissions: [] });
  for (const seen of [NOTHING, undefined, only('root')]) {
    await t.throwsAsync(all({ seen }), GROUP_NOT_FOUND);
    await t.throwsAsync(getPosition(db, { groupId, positionId: own, seen }), GROUP_NOT_FOUND);
  }
  for (const positionId of ['', '\0', randomUUID()])
    await t.throwsAsync(getPosition(db, { groupId, positionId, seen: ALL }), POSITION_NOT_FOUND);
  await t.throwsAsync(getPosition(db, { groupId: 'root', positionId: own, seen: ALL }), POSITION_NOT_FOUND, "another group's");
  await project(db, [positionEvent(own, 2, undefined), positionEvent(own, 1, { groupId })]);
  t.is(await names({}), 'Leader member');
  await t.throwsAsync(getPosition(db, { groupId, positionId: own, seen: ALL }), POSITION_NOT_FOUND);
});

test.serial('a group is shown with the parts that are asked for, each the first page of its list', async (t) => {
  const { groupId, id } = await groupOf(...Array.from({ length: 21 }, (_, n) => `m${String(n).padStart(2, '0')}`));
  const visibility = 'VISIBILITY_INVITATION' as const;
  await project(db, [
    ...Array.from({ length: 21 }, () => groupEvent(randomUUID(), 1, { parentId: groupId, name: 'g' })),
    groupEvent(randomUUID(), 1, { parentId: groupId, name: 'a hidden one', visibility }),
  ]);
  const parts = Object.values(GroupPart).filter((one) => !['GROUP_PART_UNSPECIFIED', 'UNRECOGNIZED'].includes(one));
  const ask = { groupId, seen: ALL, seenGroups: FINDABLE, seenMembers: ALL };
  const whole = await getGroup({ db, searches }, { memberId: 'm', ...ask, include: parts });
  t.like(whole.group, { groupId, subgroupCount: 21 });
  t.is(whole.members?.members.length, 20);
  const pageToken = whole.members?.nextPageToken ?? '';
  t.is((await list(groupId, { pageToken })).names, 'm20', 'the list goes on where the part ends');
  t.deepEqual(
    whole.positions?.positions.map(({ name }) => name),
    ['Leader', 'member', 'Own'],
  );
  t.deepEqual(whole.ancestors, await listAncestors({ db, searches }, { memberId: 'm', groupId, seen: FINDABLE }));
  t.deepEqual(
    whole.ancestors?.groups.map(({ name }) => name),
    ['All'],
  );
  t.is(whole.subgroups?.groups.length, 20);
  t.true(whole.subgroups?.groups.every(({ name }) => name === 'g'));
  const rest = {
    memberId: 'm',
    groupId,
    depth: 1,
    pageSize: 0,
    pageToken: whole.subgroups?.nextPageToken ?? '',
    tag: '',
    filter: '',
    orderBy: '',
    seen: FINDABLE,
  };
  t.is((await listSubgroups({ db, turns }, rest)).groups.length, 1);
  const bare = await getGroup({ db, searches }, { memberId: 'm', ...ask, include: [] });
  t.deepEqual(bare, { group: whole.group, members: undefined, positions: undefined, ancestors: undefined, subgroups: undefined });
  const few = await getGroup(
    { db, searches },
    { memberId: 'm', ...ask, seenMembers: only(id('m03')), seenGroups: NOTHING, include: parts },
  );
  t.like(few.group, { parentId: undefined, subgroupCount: 0 });
  t.deepEqual([few.ancestors?.groups, few.subgroups?.groups], [[], []]);
  t.deepEqual(
    few.members?.members.map(({ member }) => member?.displayName),
    ['m03'],
  );
  const nobody = await getGroup(
    { db, searches },
    { memberId: 'm', ...ask, seenMembers: undefined, seenGroups: undefined, include: parts },
  );
  t.deepEqual([nobody.members?.members, nobody.ancestors?.groups, nobody.subgroups?.groups], [[], [], []]);
  t.like(nobody.group, { parentId: undefined, subgroupCount: 0 });
  await t.throwsAsync(getGroup({ db, searches }, { memberId: 'm', ...ask, seen: NOTHING, include: parts }), GROUP_NOT_FOUND);
});
