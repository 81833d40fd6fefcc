import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_CANDIDACIES, ROOT } from '#platform/validation/group-fields.ts';
import { groupErasure } from '../erasure.ts';
import { call, job, openTestGroup } from '../group.fixture.ts';
import { invitation, joiningOf, type What } from './joining.fixture.ts';

// How members come into groups by asking, and how that meets with invitations.

const group = await openTestGroup('joining');
const { db, service, begin, commit, createGroup, membershipOf, putMembers, eventsOf, closeAndLeave, undo, close } = group;
const { change, done, onRequest } = joiningOf(group);
test.after.always(close);

const payloadsOf = async (id: string): Promise<Record<string, unknown>[]> => {
  const rows = await db.query<{ payload: Record<string, unknown> }>(
    sql`select payload from outbox where aggregateid = ${id} order by version`,
  );
  return rows.map(({ payload }) => payload);
};

test('a member asks, and is let in', async (t) => {
  const [groupId, memberId] = [await onRequest(), randomUUID()];
  await done('REQUEST', groupId, memberId, { reason: ' We work together ' });
  const { requestedAt, ...asked } = (await membershipOf(groupId, memberId)) ?? {};
  t.truthy(requestedAt);
  t.like(asked, { joinedAt: null, message: 'We work together', declinedAt: null, version: 1 });
  await done('APPROVE', groupId, memberId);
  t.like(await membershipOf(groupId, memberId), { requestedAt: null, message: null, version: 2, lockHolder: null });
  t.truthy((await membershipOf(groupId, memberId))?.joinedAt);
  const id = `${groupId}.${memberId}`;
  t.deepEqual(await eventsOf(id), ['membership.requested 1', 'membership.changed 2']);
  t.like((await payloadsOf(id))[0], { request: { message: 'We work together' } });
});

test('one that is declined reads why, asks again, and has that forgotten', async (t) => {
  const [groupId, memberId] = [await onRequest(), randomUUID()];
  await done('REQUEST', groupId, memberId);
  await done('DECLINE_REQUEST', groupId, memberId, { reason: 'Another project' });
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, declineReason: 'Another project' });
  for (const decide of ['APPROVE', 'DECLINE_REQUEST'] as const)
    await t.throwsAsync(change(decide, groupId, memberId), { code: 'JOIN_REQUEST_NOT_FOUND' });
  await done('REQUEST', groupId, memberId, { reason: 'Please' });
  t.like(await membershipOf(groupId, memberId), { message: 'Please', declinedAt: null, declineReason: null });
  await done('WITHDRAW_REQUEST', groupId, memberId);
  t.like(await membershipOf(groupId, memberId), { requestedAt: null, message: null });
  await t.throwsAsync(change('WITHDRAW_REQUEST', groupId, memberId), { code: 'JOIN_REQUEST_NOT_FOUND' });
  const told = ['membership.requested 1', 'membership.settled 2', 'membership.requested 3', 'membership.settled 4'];
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), told);
});

test('who has asked is decided on, and who is invited decides: of the two none comes twice, nor one beside the other', async (t) => {
  const [groupId, asking, invited, inside] = [await onRequest(), randomUUID(), randomUUID(), randomUUID()];
  await putMembers(groupId, [inside]);
  await done('REQUEST', groupId, asking);
  await done('INVITE', groupId, invited, invitation());
  const refused = (what: What, memberId: string, code: string) =>
    t.throwsAsync(change(what, groupId, memberId, what === 'INVITE' ? invitation() : {}), { code });
  await refused('REQUEST', asking, 'ALREADY_REQUESTED');
  await refused('INVITE', asking, 'ALREADY_REQUESTED');
  await refused('REQUEST', invited, 'ALREADY_INVITED');
  await refused('INVITE', invited, 'ALREADY_INVITED');
  await refused('APPROVE', invited, 'JOIN_REQUEST_NOT_FOUND');
  await refused('ACCEPT', asking, 'INVITATION_NOT_FOUND');
  for (const what of ['REQUEST', 'INVITE', 'APPROVE', 'ACCEPT'] as const) await refused(what, inside, 'ALREADY_MEMBER');
  await refused('DECLINE_REQUEST', inside, 'JOIN_REQUEST_NOT_FOUND');
  await refused('DECLINE_INVITATION', inside, 'INVITATION_NOT_FOUND');
  // Who was declined is invited all the same.
  await done('DECLINE_REQUEST', groupId, asking);
  await done('INVITE', groupId, asking, invitation());
  t.like(await membershipOf(groupId, asking), { requestedAt: null, declinedAt: null });
});

test('who comes in in another way has not asked, and is not invited, any more', async (t) => {
  const [groupId, one, other] = [await onRequest(), randomUUID(), randomUUID()];
  await done('REQUEST', groupId, one, { reason: 'Please' });
  await done('INVITE', groupId, other, invitation());
  for (const memberId of [one, other]) {
    await done('ADD', groupId, memberId);
    t.like(await membershipOf(groupId, memberId), { requestedAt: null, message: null, invitedAt: null, until: null });
  }
});

test('requests are for groups that take them; one that stands is decided on also where that has changed', async (t) => {
  const [groupId, memberId, at] = [await onRequest(), randomUUID(), job()];
  for (const visibility of ['VISIBILITY_OPEN', 'VISIBILITY_INVITATION'] as const)
    await t.throwsAsync(change('REQUEST', await createGroup({ visibility }), memberId), { code: 'GROUP_NOT_ON_REQUEST' });
  await done('REQUEST', groupId, memberId);
  const fields = { groupId, name: undefined, description: undefined, visibility: 'VISIBILITY_INVITATION' as const };
  await service.beginUpdateGroup({ ...fields, operationId: at.of('begin') }, call);
  await commit(groupId, at);
  await t.notThrowsAsync(done('APPROVE', groupId, memberId));
  for (const what of ['REQUEST', 'INVITE'] as const) {
    await t.throwsAsync(change(what, ROOT, memberId, invitation()), { code: 'ROOT_GROUP' });
    await t.throwsAsync(change(what, randomUUID(), memberId, invitation()), { code: 'GROUP_NOT_FOUND' });
  }
});

test('who has not asked learns nothing by withdrawing: not whether there is such a group, nor of the whole organisation', async (t) => {
  const [groupId, memberId, at] = [await createGroup({ visibility: 'VISIBILITY_INVITATION' }), randomUUID(), job()];
  await begin.archive(groupId, at);
  await commit(groupId, at);
  for (const id of [groupId, randomUUID(), ROOT])
    await t.throwsAsync(change('WITHDRAW_REQUEST', id, memberId), { code: 'JOIN_REQUEST_NOT_FOUND' });
});

test('of what was begun the undo leaves nothing, and of two that decide at once one waits', async (t) => {
  const [groupId, memberId, asking, deciding] = [await onRequest(), randomUUID(), job(), job()];
  await change('REQUEST', groupId, memberId, { reason: 'Please' }, asking);
  await undo(asking.of('begin'));
  t.is(await membershipOf(groupId, memberId), undefined);
  await done('REQUEST', groupId, memberId, { reason: 'Please' });
  const before = await membershipOf(groupId, memberId);
  await change('APPROVE', groupId, memberId, {}, deciding);
  for (const what of ['DECLINE_REQUEST', 'APPROVE', 'WITHDRAW_REQUEST'] as const)
    await t.throwsAsync(change(what, groupId, memberId), { code: 'MEMBERSHIP_BUSY' });
  await t.throwsAsync(begin.delete(groupId), { code: 'GROUP_BUSY' });
  await undo(deciding.of('begin'));
  t.deepEqual(await membershipOf(groupId, memberId), before);
});

test('so many requests of a member can stand, and so many invitations', async (t) => {
  const [memberId, groupId] = [randomUUID(), await onRequest()];
  await db.query(sql`
    with made as (
      insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
      select gen_random_uuid()::text, ${ROOT}, 'n' || n, '', 'request', '[]', 1, now(), now() from generate_series(1, ${MOST_CANDIDACIES}) n
      returning group_id
    )
    insert into memberships (group_id, member_id, requested_at, version) select group_id, ${memberId}, now(), 1 from made`);
  await t.throwsAsync(change('REQUEST', groupId, memberId), { code: 'TOO_MANY_JOIN_REQUESTS' });
  await t.notThrowsAsync(done('INVITE', groupId, memberId, invitation()));
  await db.query(sql`
    update memberships set requested_at = null, invited_at = now(), inviter_id = 'x', until = now() + interval '1 day'
    where member_id = ${memberId} and requested_at is not null`);
  await t.throwsAsync(change('INVITE', await createGroup(), memberId, invitation()), { code: 'TOO_MANY_INVITATIONS' });
});

test('why a member was put out stays until it comes in again, whatever it asks meanwhile', async (t) => {
  const [groupId, memberId] = [await onRequest(), randomUUID()];
  await putMembers(groupId, [memberId]);
  await done('EXPEL', groupId, memberId, { reason: 'Gone astray' });
  const { expelledAt } = (await membershipOf(groupId, memberId)) ?? {};
  t.truthy(expelledAt);
  for (const what of ['REQUEST', 'DECLINE_REQUEST', 'WITHDRAW_REQUEST'] as const) {
    await done(what, groupId, memberId);
    t.like(await membershipOf(groupId, memberId), { expelledAt, reason: 'Gone astray' }, what);
  }
  t.like((await payloadsOf(`${groupId}.${memberId}`)).at(-1), { expulsion: { reason: 'Gone astray' } });
  await done('REQUEST', groupId, memberId);
  await done('APPROVE', groupId, memberId);
  t.like(await membershipOf(groupId, memberId), { expelledAt: null, reason: null });
  await done('LEAVE', groupId, memberId);
  t.like(await membershipOf(groupId, memberId), { expelledAt: null, reason: null }, 'it went by itself');
});

test('requests and invitations end with their group, and are told to have ended', async (t) => {
  const [groupId, at] = [await onRequest(), job()];
  const [asking, invited, expelled, past] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await done('REQUEST', groupId, asking);
  await done('INVITE', groupId, invited, invitation());
  await putMembers(groupId, [expelled]);
  await done('EXPEL', groupId, expelled, { reason: 'x' });
  await done('REQUEST', groupId, past);
  await done('WITHDRAW_REQUEST', groupId, past);
  await begin.delete(groupId, at);
  await t.throwsAsync(change('APPROVE', groupId, asking), { code: 'GROUP_BUSY' });
  await t.throwsAsync(change('REQUEST', groupId, randomUUID()), { code: 'GROUP_BUSY' });
  await service.purgeMemberships({ operationId: at.of('purge'), groupId, limit: 100 }, call);
  for (const [memberId, last] of [
    [asking, 'membership.settled 2'],
    [invited, 'membership.settled 2'],
    [expelled, 'membership.settled 3'],
    [past, 'membership.settled 2'],
  ] as const) {
    t.is(await membershipOf(groupId, memberId), undefined);
    t.is((await eventsOf(`${groupId}.${memberId}`)).at(-1), last);
  }
});

test('a member that is being deleted has asked for nothing and is invited nowhere; the undo brings all of it back', async (t) => {
  const [asked, invited, expelled] = [await onRequest(), await createGroup(), await createGroup()];
  const [memberId, at] = [randomUUID(), job()];
  await done('REQUEST', asked, memberId, { reason: 'Please' });
  await done('INVITE', invited, memberId, invitation());
  await putMembers(expelled, [memberId]);
  await done('EXPEL', expelled, memberId, { reason: 'Loud' });
  const ties = async (groupId: string) => {
    const { version: _, ...rest } = (await membershipOf(groupId, memberId)) ?? { version: 0 };
    return rest;
  };
  const before = await Promise.all([asked, invited, expelled].map(ties));
  await closeAndLeave(memberId, at);
  for (const groupId of [asked, invited, expelled]) {
    t.like(await membershipOf(groupId, memberId), { requestedAt: null, message: null, invitedAt: null, reason: null });
    t.regex((await eventsOf(`${groupId}.${memberId}`)).at(-1) ?? '', /^membership.settled/);
  }
  await t.throwsAsync(change('INVITE', invited, memberId, invitation()), { code: 'MEMBER_DELETING' });
  await undo(at.of('leave'));
  await undo(at.of('close'));
  t.deepEqual(await Promise.all([asked, invited, expelled].map(ties)), before);
});

test('what a restored copy says of who was deleted is forgotten, also what a job is at', async (t) => {
  const [groupId, other, memberId] = [await onRequest(), await onRequest(), randomUUID()];
  await done('REQUEST', groupId, memberId, { reason: 'Please' });
  await change('REQUEST', other, memberId, { reason: 'Please' });
  const { erase } = groupErasure(db);
  t.deepEqual(await erase([memberId]), { erased: [{ memberId, place: 'memberships', count: 2 }] });
  t.deepEqual(await erase([memberId]), { erased: [] });
  t.like(await membershipOf(groupId, memberId), { requestedAt: null, message: null });
  t.like((await membershipOf(other, memberId))?.pending, { becomes: 'requested', message: null });
});
