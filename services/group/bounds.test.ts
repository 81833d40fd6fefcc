import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_CANDIDACIES, MOST_SUBGROUPS, ROOT } from '#platform/validation/group-fields.ts';
import { AdditionOutcome } from '#proto/musubi/group/v1/group.ts';
import { call, job, openTestGroup } from './group.fixture.ts';
import { invitation, joiningOf } from './memberships/joining.fixture.ts';

// Of what there is at most so many, and what counts among these.

const group = await openTestGroup('bounds');
const { db, service, begin, createGroup, membershipOf, putMembers, eventsOf, undo, close } = group;
const { change, done, onRequest } = joiningOf(group);
test.after.always(close);

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
/** Groups right in another one. */
const putGroups = (parentId: string, groupIds: readonly string[]) =>
  db.query(sql`
    insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
    select id, ${parentId}, id, '', 'request', '[]', 1, now(), now() from unnest(${[...groupIds]}::text[]) id`);

test('by one step of a deletion no more groups go than others do not feel, and no more memberships, however many it asks for', async (t) => {
  const [groupId, { of }] = [await createGroup(), job()];
  await putGroups(groupId, ids(100));
  await putMembers(groupId, ids(1_001));
  await begin.delete(groupId, { jobId: '', of });
  const ofMemberships = (step: string) => service.purgeMemberships({ operationId: of(step), groupId, limit: 5_000 }, call);
  t.deepEqual([await ofMemberships('m/1'), await ofMemberships('m/2')], [{ memberships: 1_000 }, { memberships: 1 }]);
  const ofGroups = async (step: string) =>
    (await service.purgeGroups({ operationId: of(step), groupId, limit: 500 }, call)).groupIds;
  t.is((await ofGroups('g/1')).length, 100);
  t.deepEqual(await ofGroups('g/2'), [groupId]);
});

test('in a full group one that is in it already stays where it is', async (t) => {
  const [parentId, staying] = [await createGroup(), job()];
  const [first = '', ...others] = ids(MOST_SUBGROUPS);
  await putGroups(parentId, [first, ...others]);
  await t.throwsAsync(begin.move(await createGroup(), parentId), { code: 'TOO_MANY_SUBGROUPS' });
  await t.notThrowsAsync(begin.move(first, parentId, staying));
  await undo(staying.of('begin'));
});

test('requests that were declined do not count among those that stand; those that are being made do, and so do invitations', async (t) => {
  const [memberId, other, asking, asked] = [randomUUID(), randomUUID(), job(), await onRequest()];
  const groupIds = ids(MOST_CANDIDACIES);
  await putGroups(ROOT, groupIds);
  await db.query(sql`
    insert into memberships (group_id, member_id, requested_at, version) select id, ${memberId}, now(), 1 from unnest(${groupIds}::text[]) id`);
  const ask = async (at = job()) => await change('REQUEST', await onRequest(), memberId, {}, at);
  await t.throwsAsync(ask(), { code: 'TOO_MANY_JOIN_REQUESTS' });
  await db.query(sql`
    update memberships set declined_at = now() where member_id = ${memberId} and group_id = ${groupIds[0]}`);
  await t.notThrowsAsync(change('REQUEST', asked, memberId, {}, asking));
  await t.throwsAsync(ask(), { code: 'TOO_MANY_JOIN_REQUESTS' }, 'one is being made');
  await undo(asking.of('begin'));
  await t.notThrowsAsync(ask());

  await db.query(sql`
    insert into memberships (group_id, member_id, invited_at, inviter_id, until, version)
    select id, ${other}, now(), 'x', now() + interval '1 day', 1 from unnest(${groupIds.slice(1)}::text[]) id`);
  const invite = async () => await change('INVITE', await createGroup(), other, invitation());
  await t.notThrowsAsync(invite());
  await t.throwsAsync(invite(), { code: 'TOO_MANY_INVITATIONS' }, 'one is being made');
});

test('so many enter the whole organisation at once at most; those that are in it are passed over', async (t) => {
  const [one, other] = ids(2) as [string, string];
  const enter = (memberIds: string[]) => service.enterMembers({ operationId: job().of('enter'), memberIds }, call);
  t.deepEqual((await enter([one, one])).memberIds, [one]);
  t.deepEqual((await enter([other, one])).memberIds, [other]);
  t.like(await membershipOf(ROOT, one), { version: 1 });
  t.deepEqual(await eventsOf(`${ROOT}.${one}`), ['membership.changed 1']);
  await t.throwsAsync(enter(ids(1_001)), { code: 'INVALID_ARGUMENT' });
});

test('a page of lines has a hundred at most', async (t) => {
  const [groupId, { jobId, of }] = [await createGroup(), job()];
  await service.beginAddMembers({ operationId: of('begin'), groupId, memberIds: ids(101) }, call);
  const outcome = AdditionOutcome.ADDITION_OUTCOME_UNSPECIFIED;
  const page = await service.listAdditions({ jobId, outcome, pageSize: 1_000, pageToken: '' }, call);
  t.is(page.additions.length, 100);
  t.not(page.nextPageToken, '');
});

test('what is given up is not there, and a hundred groups at most', async (t) => {
  const [groupId, gone] = [await createGroup(), randomUUID()];
  for (const groupIds of [[], ids(101), ['Sales'], [gone, groupId]])
    t.like(await t.throwsAsync(service.giveUpGroups({ groupIds }, call)), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'groupIds' }],
    });
  const given = () => db.query(sql`select from deleted_groups where group_id = ${gone} and deleted_at is null`);
  t.is((await given()).length, 0);
  for (let twice = 0; twice < 2; twice++) await service.giveUpGroups({ groupIds: [gone] }, call);
  t.is((await given()).length, 1);
});

test('what a job adds is of that job only: another one that adds the same has its own lines', async (t) => {
  const [groupId, memberId, one, other] = [await createGroup(), randomUUID(), job(), job()];
  const lines = async ({ jobId }: typeof one) => {
    const outcome = AdditionOutcome.ADDITION_OUTCOME_UNSPECIFIED;
    const { additions } = await service.listAdditions({ jobId, outcome, pageSize: 100, pageToken: '' }, call);
    return additions.map(({ outcome }) => outcome);
  };
  for (const { of } of [one, other])
    await service.beginAddMembers({ operationId: of('begin'), groupId, memberIds: [memberId] }, call);
  await service.holdAdditions({ operationId: one.of('hold'), part: 0 }, call);
  await service.commitAdditions({ operationId: one.of('commit'), part: 0, refused: [] }, call);
  t.deepEqual([await lines(one), await lines(other)], [['ADDITION_OUTCOME_ADDED'], ['ADDITION_OUTCOME_WAITING']]);
});

test('who is being deleted is refused at once, also while a job is at what it is to the group', async (t) => {
  const [groupId, memberId, leaving, { of }] = [await createGroup(), randomUUID(), job(), job()];
  await putMembers(groupId, [memberId]);
  await change('LEAVE', groupId, memberId, {}, leaving);
  await service.closeMember({ operationId: job().of('close'), memberId }, call);
  await service.beginAddMembers({ operationId: of('begin'), groupId, memberIds: [memberId] }, call);
  const { memberIds, hindered } = await service.holdAdditions({ operationId: of('hold'), part: 0 }, call);
  t.deepEqual([memberIds, hindered], [[], [{ memberId, code: 'MEMBER_DELETING' }]]);
});

test('whose invitation is over asks once that has ended: until then Auth goes by it', async (t) => {
  const [groupId, memberId, given] = [await onRequest(), randomUUID(), invitation()];
  await done('INVITE', groupId, memberId, given);
  const over = new Date(Date.now() - 1_000).toISOString();
  await db.query(sql`update memberships set until = ${over} where group_id = ${groupId} and member_id = ${memberId}`);
  await t.throwsAsync(change('REQUEST', groupId, memberId), { code: 'ALREADY_INVITED' });
  await done('EXPIRE_INVITATION', groupId, memberId, { until: over });
  await t.notThrowsAsync(change('REQUEST', groupId, memberId));
});

test('who was put out is told why also while it is invited, and who was declined still has said what it said', async (t) => {
  const [groupId, invited, declined] = [await onRequest(), randomUUID(), randomUUID()];
  await putMembers(groupId, [invited]);
  await done('EXPEL', groupId, invited, { reason: 'Gone astray' });
  for (const [what, given] of [
    ['INVITE', invitation()],
    ['DECLINE_INVITATION', {}],
  ] as const) {
    await done(what, groupId, invited, given);
    t.like(await membershipOf(groupId, invited), { reason: 'Gone astray' }, what);
  }
  await done('REQUEST', groupId, declined, { reason: 'Please' });
  const { requestedAt } = (await membershipOf(groupId, declined)) ?? {};
  await done('DECLINE_REQUEST', groupId, declined);
  t.like(await membershipOf(groupId, declined), { requestedAt, message: 'Please' });
});
