import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import { until } from '#platform/until.fixture.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { change, groupsOf } from '../groups/groups.fixture.ts';
import { listAuditEvents } from '../rpcs/list-audit-events.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';
import { admitMembers } from './additions.ts';

// Many come into a group by one job, for as long as what allowed it holds.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  await putRootGroup(auth.store, []);
  await auth.role(READS, ['permit (principal, action == Musubi::Action::"member.read", resource);']);
});
test.after.always(() => auth?.close());

/** The role of who may read members. */
const READS = 'reads-members';
const REVOKED = 'PERMISSION_REVOKED';
const groupsOfMember = async (memberId: string) => (await auth.store.members.findOne({ _id: memberId }))?.groupIds ?? [];
const allow = (jobId: string, groupId: string, permit: string | undefined) =>
  auth.steps.allowAdditions({ operationId: `${jobId}/auth.allowAdditions`, groupId, permit });
const admit = (jobId: string, groupId: string, ...memberIds: string[]) => admitBeside(jobId, groupId, [], memberIds);
const admitBeside = (jobId: string, groupId: string, hinderedIds: string[], memberIds: string[]) => {
  const operationId = `${jobId}/group.add-parts/${randomUUID()}/auth.admitMembers`;
  return auth.steps.admitMembers({ operationId, groupId, memberIds, hinderedIds });
};
/** What the audit has of additions of a member: by whom, by which job, to what. */
const addedBy = async (memberId: string) => {
  const filter = { memberId, action: 'group.update', since: undefined, until: undefined };
  const { events } = await listAuditEvents(auth, { filter, pageSize: 100, pageToken: '' });
  return events
    .filter(({ resources }) => resources.some(({ id }) => id === memberId))
    .map(({ actorId, jobId, resources }) => [actorId, jobId, resources.find(({ type }) => type === 'Group')?.id]);
};
/** Takes its positions away from who leads a group. */
const unbind = (groupId: string, memberId: string) =>
  auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds: [] } }],
  });

test('whom who adds may not read, is nobody to it, whether it would come in or not', async (t) => {
  const [hidden, alsoHidden, one, hindered] = [await member(), await member(), await member(), await member()];
  const all = [hidden, alsoHidden, one, hindered].map(({ memberId }) => memberId) as [string, string, string, string];
  const role = `hides-${randomUUID()}`;
  const forbidden = all
    .slice(0, 2)
    .map((id) => `forbid (principal, action == Musubi::Action::"member.read", resource == Musubi::Member::"${id}");`);
  await auth.role(role, [...forbidden]);
  const leader = await member(READS, role);
  const { groupId } = await made(leader.memberId);
  const jobId = randomUUID();
  await allow(jobId, groupId, leader.permit(groupId));
  const code = 'MEMBER_NOT_FOUND';
  const { refused } = await admitBeside(jobId, groupId, [all[1], all[3]], [all[0], all[2]]);
  t.deepEqual(refused, [
    { memberId: all[0], code },
    { memberId: all[1], code },
  ]);
  t.deepEqual(await Promise.all(all.map(groupsOfMember)), [[], [], [groupId], []]);
  // What the system itself adds is asked for by nobody.
  const own = randomUUID();
  await allow(own, groupId, undefined);
  t.deepEqual((await admit(own, groupId, all[0])).refused, []);
});

test('they come in, but for those that are nobody; and no more once the permission is taken away', async (t) => {
  const [leader, one, other, late] = [await member(READS), await member(), await member(), await member()];
  const { groupId } = await made(leader.memberId);
  const [jobId, nobody] = [randomUUID(), randomUUID()];
  t.deepEqual(
    (await admit(jobId, groupId, one.memberId)).refused,
    [{ memberId: one.memberId, code: REVOKED }],
    'not allowed yet',
  );
  // The leaders of the fixture may update.
  await allow(jobId, groupId, leader.permit(groupId));
  const { refused } = await admit(jobId, groupId, one.memberId, nobody, other.memberId);
  t.deepEqual(refused, [{ memberId: nobody, code: 'MEMBER_NOT_FOUND' }]);
  for (const { memberId } of [one, other]) t.deepEqual(await groupsOfMember(memberId), [groupId]);
  t.true(await one.may('group.list-members', groupId));
  for (const memberId of [one.memberId, other.memberId])
    t.deepEqual(await addedBy(memberId), [[leader.memberId, jobId, groupId]], 'who brought it in is in the audit, once');
  await unbind(groupId, leader.memberId);
  t.deepEqual((await admit(jobId, groupId, late.memberId)).refused, [{ memberId: late.memberId, code: REVOKED }]);
  t.deepEqual(await groupsOfMember(late.memberId), []);
  for (const memberId of [late.memberId, nobody]) t.deepEqual(await addedBy(memberId), []);
});

test('who comes in is not invited any more, but to others; who is refused stays so', async (t) => {
  const [guest, { groupId }, { groupId: other }] = [await member(), await made(undefined), await made(undefined)];
  const { memberId } = guest;
  for (const to of [groupId, other])
    await auth.steps.changeStandings({
      ...change(),
      groupId: to,
      changes: [{ memberId, isInvited: true, positions: undefined }],
    });
  const invitedTo = async () => (await auth.store.members.findOne({ _id: memberId }))?.invitedTo;
  const jobId = randomUUID();
  await admit(jobId, groupId, memberId);
  t.deepEqual((await invitedTo())?.sort(), [groupId, other].sort());
  await allow(jobId, groupId, undefined);
  t.deepEqual((await admit(jobId, groupId, memberId)).refused, []);
  t.deepEqual(await invitedTo(), [other]);
});

test('who does not hold what all members have there brings nobody in, also not any more', async (t) => {
  await auth.role('adder', ['permit (principal, action == Musubi::Action::"group.add-member", resource);']);
  const [outsider, one] = [await member('adder'), await member()];
  const { groupId } = await made(undefined);
  await t.throwsAsync(allow(randomUUID(), groupId, outsider.permit(groupId, 'group.add-member')), {
    code: 'EXCEEDS_OWN_PERMISSIONS',
  });
  await auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId: outsider.memberId, isMember: true, positions: undefined }],
  });
  const jobId = randomUUID();
  await allow(jobId, groupId, outsider.permit(groupId, 'group.add-member'));
  await auth.steps.changeStandings({
    ...change(),
    groupId,
    changes: [{ memberId: outsider.memberId, isMember: false, positions: { positionIds: [] } }],
  });
  t.deepEqual((await admit(jobId, groupId, one.memberId)).refused, [{ memberId: one.memberId, code: 'EXCEEDS_OWN_PERMISSIONS' }]);
});

test('of what was allowed the undo leaves nothing, and its end nothing either; a group that is gone takes nobody', async (t) => {
  const one = await member();
  const { groupId } = await made(undefined);
  const [undone, ended, gone] = [randomUUID(), randomUUID(), randomUUID()];
  await allow(undone, groupId, undefined);
  await undo(`${undone}/auth.allowAdditions`);
  await allow(ended, groupId, undefined);
  await auth.steps.endAdditions({ operationId: `${ended}/auth.endAdditions` });
  for (const jobId of [undone, ended])
    t.deepEqual((await admit(jobId, groupId, one.memberId)).refused, [{ memberId: one.memberId, code: REVOKED }]);
  await allow(gone, groupId, 'group.of-the-system');
  await auth.steps.removeGroups({ operationId: `${randomUUID()}/auth.removeGroups`, groupId, permit: undefined });
  t.deepEqual((await admit(gone, groupId, one.memberId)).refused, [{ memberId: one.memberId, code: 'GROUP_NOT_FOUND' }]);
  await t.throwsAsync(allow(randomUUID(), randomUUID(), undefined), { code: 'GROUP_NOT_FOUND' });
});

test('who takes the permission away waits for a part that has looked at it already, as for any pivot', async (t) => {
  const [leader, one] = [await member(READS), await member()];
  const { groupId } = await made(leader.memberId);
  const jobId = randomUUID();
  await allow(jobId, groupId, leader.permit(groupId));
  const [looked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const request = { operationId: `${jobId}/auth.admitMembers`, groupId, memberIds: [one.memberId], hinderedIds: [] };
  const part = transaction(auth.store.mongo, async (session) => {
    await admitMembers(auth).do({ store: auth.store, session }, request);
    looked.resolve();
    await go.promise;
  });
  await looked.promise;
  let isAcknowledged = false;
  const taking = unbind(groupId, leader.memberId).then(() => {
    isAcknowledged = true;
  });
  const isTaken = async () => (await auth.store.members.findOne({ _id: leader.memberId }))?.positionIds?.length === 0;
  await until(isTaken, 'it is taken away');
  await sleep(300);
  t.false(isAcknowledged, 'but that is not said yet');
  go.resolve();
  await Promise.all([part, taking]);
  t.deepEqual(await groupsOfMember(one.memberId), [groupId]);
});

test('a part has a thousand members at most, with those that are hindered; each that comes in is another one from then on', async (t) => {
  const [{ groupId }, one, jobId] = [await made(undefined), await member(), randomUUID()];
  await allow(jobId, groupId, undefined);
  const many = Array.from({ length: 1_000 }, () => randomUUID());
  for (const [hindered, members] of [
    [[], [one.memberId, ...many]],
    [many, [one.memberId]],
  ] as [string[], string[]][])
    t.like(await t.throwsAsync(admitBeside(jobId, groupId, hindered, members)), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'memberIds' }],
    });
  const standings = async () => (await auth.store.members.findOne({ _id: one.memberId }))?.standings ?? 0;
  const before = await standings();
  await admit(jobId, groupId, one.memberId);
  t.is(await standings(), before + 1);
});
