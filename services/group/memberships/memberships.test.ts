import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_GROUPS, ROOT } from '#platform/validation/group-fields.ts';
import type { BeginChangeMembershipRequest, MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { groupErasure } from '../erasure.ts';
import { call, job, openTestGroup } from '../group.fixture.ts';

const { db, service, begin, commit, createGroup, membershipOf, putMembers, eventsOf, undo, close } =
  await openTestGroup('memberships');
test.after.always(close);

type Asked = Partial<Omit<BeginChangeMembershipRequest, 'change'>> & { change: 'JOIN' | 'ADD' | 'LEAVE' | 'EXPEL' };
const change = (groupId: string, memberId: string, { change: what, ...asked }: Asked, { of } = job()) =>
  service.beginChangeMembership(
    {
      ...{ operationId: of('begin'), groupId, memberId, reason: '', successorId: undefined, ...asked },
      change: `MEMBERSHIP_CHANGE_${what}` satisfies MembershipChange,
    },
    call,
  );
const commitChange = ({ of }: ReturnType<typeof job>) => service.commitMembership({ operationId: of('commit') }, call);
const enter = (memberId: string, { of } = job()) => service.enterOrganisation({ operationId: of('enter'), memberId }, call);

test('a member comes into a group and goes, each once it is committed', async (t) => {
  const [groupId, memberId, joining, leaving] = [await createGroup(), randomUUID(), job(), job()];
  const id = `${groupId}.${memberId}`;
  await t.throwsAsync(change(groupId, memberId, { change: 'LEAVE' }), { code: 'NOT_MEMBER' });
  await change(groupId, memberId, { change: 'JOIN' }, joining);
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, version: 0 });
  await t.throwsAsync(change(groupId, memberId, { change: 'ADD' }), { code: 'MEMBERSHIP_BUSY' });
  t.deepEqual((await commitChange(joining)).written, { type: 'membership', id, version: 1 });
  t.truthy((await membershipOf(groupId, memberId))?.joinedAt);
  await t.throwsAsync(change(groupId, memberId, { change: 'ADD' }), { code: 'ALREADY_MEMBER' });
  await change(groupId, memberId, { change: 'EXPEL', reason: ' Gone astray ' }, leaving);
  await commitChange(leaving);
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, reason: 'Gone astray', version: 2, lockHolder: null });
  const [told] = await db.query<{ payload: unknown }>(sql`select payload from outbox where aggregateid = ${id} and version = 2`);
  t.like(told?.payload, { groupId, memberId, version: 2, membership: undefined, expulsion: { reason: 'Gone astray' } });
  const again = job();
  await change(groupId, memberId, { change: 'ADD' }, again);
  await commitChange(again);
  t.like(await membershipOf(groupId, memberId), { reason: null, version: 3 });
  await t.throwsAsync(commitChange(job()), { code: 'LOCK_NOT_HELD' });
});

test('what a member was until then is told with each change', async (t) => {
  const [groupId, memberId] = [await createGroup({ visibility: 'VISIBILITY_REQUEST' }), randomUUID()];
  const steps = ['REQUEST', 'DECLINE_REQUEST', 'REQUEST', 'APPROVE', 'EXPEL', 'INVITE', 'ACCEPT', 'LEAVE'] as const;
  for (const what of steps) {
    const at = job();
    const asked = { ...(what === 'INVITE' ? { inviterId: randomUUID() } : {}), ...(what === 'EXPEL' ? { reason: 'Loud' } : {}) };
    const given = { operationId: at.of('begin'), groupId, memberId, reason: '', successorId: undefined, ...asked };
    await service.beginChangeMembership({ ...given, change: `MEMBERSHIP_CHANGE_${what}` }, call);
    await commitChange(at);
  }
  const told = await db.query<{ payload: { was?: string } }>(
    sql`select payload from outbox where aggregateid = ${`${groupId}.${memberId}`} order by version`,
  );
  t.deepEqual(
    told.map(({ payload }) => payload.was?.replace('TIE_', '')),
    [undefined, 'REQUESTED', 'DECLINED', 'REQUESTED', 'MEMBER', undefined, 'INVITED', 'MEMBER'],
  );
});

test('of what was begun with a membership the undo leaves nothing', async (t) => {
  const [groupId, memberId, at, other] = [await createGroup(), randomUUID(), job(), job()];
  await change(groupId, memberId, { change: 'JOIN' }, at);
  await undo(at.of('begin'));
  t.is(await membershipOf(groupId, memberId), undefined);
  await putMembers(groupId, [memberId]);
  const before = await membershipOf(groupId, memberId);
  await change(groupId, memberId, { change: 'LEAVE' }, other);
  await undo(other.of('begin'));
  t.deepEqual(await membershipOf(groupId, memberId), before);
});

test('the same member that is added by two at once is added once', async (t) => {
  const [groupId, memberId] = [await createGroup(), randomUUID()];
  const results = await Promise.allSettled([1, 2, 3].map(() => change(groupId, memberId, { change: 'ADD' })));
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const one of results) if (one.status === 'rejected') t.is(one.reason.code, 'MEMBERSHIP_BUSY');
});

test('nobody joins by itself what is not open, and nobody changes who is in the whole organisation', async (t) => {
  const [groupId, memberId] = [await createGroup({ visibility: 'VISIBILITY_REQUEST' }), randomUUID()];
  await t.throwsAsync(change(groupId, memberId, { change: 'JOIN' }), { code: 'GROUP_NOT_OPEN' });
  await t.notThrowsAsync(change(groupId, memberId, { change: 'ADD' }));
  for (const what of ['JOIN', 'ADD', 'LEAVE', 'EXPEL'] as const)
    await t.throwsAsync(change(ROOT, memberId, { change: what }), { code: 'ROOT_GROUP' });
  await t.throwsAsync(change(randomUUID(), memberId, { change: 'JOIN' }), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(change(groupId, 'nobody', { change: 'JOIN' }), { code: 'INVALID_ARGUMENT' });
});

test('while a group is made, moved or deleted, nobody comes in or goes; while somebody does, it is neither deleted nor archived', async (t) => {
  const [making, deleting, joining, memberId] = [job(), job(), job(), randomUUID()];
  const { groupId } = await begin.create({}, making);
  await t.throwsAsync(change(groupId, memberId, { change: 'JOIN' }), { code: 'GROUP_BUSY' });
  await commit(groupId, making);
  const within = await createGroup({ parentId: groupId });
  await begin.delete(groupId, deleting);
  await t.throwsAsync(change(within, memberId, { change: 'JOIN' }), { code: 'GROUP_BUSY' });
  await undo(deleting.of('begin'));
  await change(within, memberId, { change: 'JOIN' }, joining);
  for (const refused of [begin.delete(groupId), begin.archive(groupId)]) await t.throwsAsync(refused, { code: 'GROUP_BUSY' });
  await commitChange(joining);
  const archiving = job();
  await begin.archive(groupId, archiving);
  await commit(groupId, archiving);
  await t.throwsAsync(change(within, randomUUID(), { change: 'ADD' }), { code: 'GROUP_ARCHIVED' });
  await t.notThrowsAsync(change(within, memberId, { change: 'EXPEL' }));
});

test('nobody is kept in a group that is archived, or lies under one that is', async (t) => {
  const [memberId, stays, archiving] = [randomUUID(), randomUUID(), job()];
  const archived = await createGroup();
  const within = await createGroup({ parentId: archived });
  for (const groupId of [archived, within]) await putMembers(groupId, [memberId, stays]);
  await begin.archive(archived, archiving);
  await t.throwsAsync(change(within, memberId, { change: 'LEAVE' }), { code: 'GROUP_BUSY' }, 'until it is archived, or not');
  await commit(archived, archiving);
  for (const groupId of [archived, within]) {
    const leaving = job();
    await change(groupId, memberId, { change: 'LEAVE', successorId: stays }, leaving);
    await commitChange(leaving);
    t.is((await membershipOf(groupId, memberId))?.joinedAt, null);
    await t.throwsAsync(change(groupId, memberId, { change: 'JOIN' }), { code: 'GROUP_ARCHIVED' });
  }
});

test('who is to lead the group is in it, and about to stay', async (t) => {
  const [groupId, memberId, other, stranger] = [await createGroup(), randomUUID(), randomUUID(), randomUUID()];
  await putMembers(groupId, [memberId, other]);
  const outside = await t.throwsAsync(change(groupId, memberId, { change: 'LEAVE', successorId: stranger }), {
    code: 'NOT_MEMBER',
  });
  t.like(outside, { fields: [{ field: 'successorId' }] });
  const at = job();
  await change(groupId, other, { change: 'LEAVE' }, at);
  await t.throwsAsync(change(groupId, memberId, { change: 'LEAVE', successorId: other }), { code: 'MEMBERSHIP_BUSY' });
  await undo(at.of('begin'));
  await t.notThrowsAsync(change(groupId, memberId, { change: 'LEAVE', successorId: other }));
});

test('a member is in so many groups, and no more, also when it comes into several at once', async (t) => {
  const memberId = randomUUID();
  await db.query(sql`
    with made as (
      insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
      select gen_random_uuid()::text, ${ROOT}, 'n' || n, '', 'open', '[]', 1, now(), now() from generate_series(2, ${MOST_GROUPS}) n
      returning group_id
    )
    select count(*) from made`);
  await db.query(sql`
    insert into memberships (group_id, member_id, joined_at, version)
    select group_id, ${memberId}, now(), 1 from groups where name ~ '^n[0-9]+$' limit ${MOST_GROUPS - 1}`);
  const [one, other, at] = [await createGroup(), await createGroup(), job()];
  const results = await Promise.allSettled([one, other].map((groupId) => change(groupId, memberId, { change: 'JOIN' })));
  t.deepEqual(results.map((each) => (each.status === 'fulfilled' ? 'done' : each.reason.code)).sort(), [
    'TOO_MANY_GROUPS',
    'done',
  ]);
  const { groupId } = await begin.create({}, at);
  const creating = { operationId: at.of('creator'), groupId, memberId };
  await t.throwsAsync(service.addCreator(creating, call), { code: 'TOO_MANY_GROUPS' });
});

test('a member enters the whole organisation once; the undo takes out only whom it has let in', async (t) => {
  const [memberId, first, second] = [randomUUID(), job(), job()];
  const id = `${ROOT}.${memberId}`;
  t.deepEqual((await enter(memberId, first)).written, { type: 'membership', id, version: 1 });
  t.deepEqual((await enter(memberId, second)).written, { type: 'membership', id, version: 1 });
  await undo(second.of('enter'));
  t.truthy((await membershipOf(ROOT, memberId))?.joinedAt);
  await undo(first.of('enter'));
  t.is((await membershipOf(ROOT, memberId))?.joinedAt, null);
  t.deepEqual(await eventsOf(id), ['membership.changed 1', 'membership.ended 2']);
});

test('memberships that a restored copy gives to who was deleted end again, and why it was put out is forgotten', async (t) => {
  const [groupId, other, memberId, stays] = [await createGroup(), await createGroup(), randomUUID(), randomUUID()];
  await putMembers(groupId, [memberId, stays]);
  await db.query(sql`
    insert into memberships (group_id, member_id, expelled_at, reason, version) values (${other}, ${memberId}, now(), 'Loud', 4)`);
  const { erase } = groupErasure(db);
  t.deepEqual(await erase([memberId]), { erased: [{ memberId, place: 'memberships', count: 2 }] });
  t.deepEqual(await erase([memberId]), { erased: [] });
  t.like(await membershipOf(groupId, memberId), { joinedAt: null, version: 2 });
  t.like(await membershipOf(other, memberId), { reason: null, version: 5 });
  t.truthy((await membershipOf(groupId, stays))?.joinedAt);
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), ['membership.settled 2']);
});

test('why a member is put out of a group is forgotten also while a job is at it', async (t) => {
  const [groupId, memberId] = [await createGroup(), randomUUID()];
  await putMembers(groupId, [memberId]);
  await change(groupId, memberId, { change: 'EXPEL', reason: 'Loud' });
  await groupErasure(db).erase([memberId]);
  t.like((await membershipOf(groupId, memberId))?.pending, { isMember: false, reason: null });
});
