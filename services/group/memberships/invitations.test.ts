import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { call, job, openTestGroup } from '../group.fixture.ts';
import { inMs, invitation, joiningOf } from './joining.fixture.ts';

// How members are invited to groups.

const DAY_MS = 86_400_000;

const group = await openTestGroup('invitations');
const { db, service, begin, commit, createGroup, membershipOf, eventsOf, closeMember, undo, close } = group;
const { change, done } = joiningOf(group);
test.after.always(close);

test('a member is invited, and accepts or declines, or the invitation is taken back', async (t) => {
  const [groupId, memberId] = [await createGroup({ visibility: 'VISIBILITY_INVITATION' }), randomUUID()];
  const given = invitation();
  for (const end of ['DECLINE_INVITATION', 'WITHDRAW_INVITATION'] as const) {
    await done('INVITE', groupId, memberId, given);
    const { invitedAt, ...invited } = (await membershipOf(groupId, memberId)) ?? {};
    t.truthy(invitedAt);
    t.like(invited, { joinedAt: null, inviterId: given.inviterId, until: new Date(given.until) });
    await done(end, groupId, memberId);
    t.like(await membershipOf(groupId, memberId), { invitedAt: null, inviterId: null, until: null, joinedAt: null });
    for (const again of ['ACCEPT', 'DECLINE_INVITATION', 'WITHDRAW_INVITATION'] as const)
      await t.throwsAsync(change(again, groupId, memberId), { code: 'INVITATION_NOT_FOUND' });
  }
  await done('INVITE', groupId, memberId, given);
  await done('ACCEPT', groupId, memberId);
  t.like(await membershipOf(groupId, memberId), { invitedAt: null });
  t.truthy((await membershipOf(groupId, memberId))?.joinedAt);
  t.deepEqual((await eventsOf(`${groupId}.${memberId}`)).slice(-2), ['membership.invited 5', 'membership.changed 6']);
});

test('an invitation is for a time, which is to come and not too far', async (t) => {
  const [groupId, memberId] = [await createGroup(), randomUUID()];
  for (const until of [inMs(-1), inMs(367 * DAY_MS), 'tomorrow', ''])
    t.like(await t.throwsAsync(change('INVITE', groupId, memberId, { ...invitation(), until })), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'expiresAt' }],
    });
  const at = job();
  const { until: usual = '' } = await change('INVITE', groupId, memberId, { inviterId: randomUUID() }, at);
  t.true(Math.abs(Date.parse(usual) - Date.now() - 14 * DAY_MS) < 60_000, usual);
  await undo(at.of('begin'));
  const short = { until: inMs(-1_000) };
  await done('INVITE', groupId, memberId, invitation());
  await db.query(sql`update memberships set until = ${short.until} where group_id = ${groupId} and member_id = ${memberId}`);
  await t.throwsAsync(change('ACCEPT', groupId, memberId), { code: 'INVITATION_NOT_FOUND' }, 'before its end was told');
  await t.throwsAsync(change('REQUEST', groupId, memberId), { code: 'GROUP_NOT_ON_REQUEST' });
  const next = invitation();
  await done('INVITE', groupId, memberId, next);
  const late = await change('EXPIRE_INVITATION', groupId, memberId, { until: short.until });
  t.true(late.nothingToDo, 'another one has come in its place');
  t.like(await membershipOf(groupId, memberId), { until: new Date(next.until), lockHolder: null });
  await done('EXPIRE_INVITATION', groupId, memberId, { until: next.until });
  t.like(await membershipOf(groupId, memberId), { invitedAt: null });
  const again = job();
  t.true((await change('EXPIRE_INVITATION', groupId, memberId, { until: next.until }, again)).nothingToDo);
  await undo(again.of('begin'));
  t.true((await change('EXPIRE_INVITATION', randomUUID(), memberId, { until: next.until })).nothingToDo, 'of what is gone');
  await done('INVITE', groupId, memberId, next);
  const ending = job();
  await closeMember(memberId);
  t.true((await change('EXPIRE_INVITATION', groupId, memberId, { until: next.until }, ending)).nothingToDo, 'of who is deleted');
  await undo(ending.of('begin'));
  t.like(await membershipOf(groupId, memberId), { until: new Date(next.until), lockHolder: null });
});

test('an invitation ends also where the group is archived; nobody comes in by it there', async (t) => {
  const [groupId, other, memberId, at] = [await createGroup(), await createGroup({}), randomUUID(), job()];
  const given = invitation();
  for (const id of [groupId, other]) await done('INVITE', id, memberId, given);
  await begin.archive(groupId, at);
  await commit(groupId, at);
  await t.throwsAsync(change('ACCEPT', groupId, memberId), { code: 'GROUP_ARCHIVED' });
  for (const what of ['DECLINE_INVITATION', 'WITHDRAW_INVITATION'] as const) {
    const ending = job();
    await change(what, groupId, memberId, {}, ending);
    await undo(ending.of('begin'));
  }
  await t.notThrowsAsync(done('EXPIRE_INVITATION', groupId, memberId, { until: given.until }));
});

test('the invitations whose time is over, or soon, are told page by page', async (t) => {
  const [one, other, later, memberId] = [await createGroup(), await createGroup(), await createGroup(), randomUUID()];
  const soon = invitation(30_000);
  for (const groupId of [one, other]) await done('INVITE', groupId, memberId, soon);
  await done('INVITE', later, memberId, invitation());
  const due = async (after?: Parameters<typeof service.listDueTerms>[0]['after'], pageSize = 100) => {
    const { terms } = await service.listDueTerms({ withinMs: 60_000, after, pageSize }, call);
    return terms.filter((each) => each.memberId === memberId);
  };
  const all = await due();
  t.deepEqual(
    all,
    [one, other].sort().map((groupId) => ({ groupId, memberId, positionId: '', until: soon.until })),
  );
  t.deepEqual(await due(all[0]), all.slice(1));
  for (const pageSize of [0, 101]) await t.throwsAsync(due(undefined, pageSize), { code: 'INVALID_ARGUMENT' });
  await done('ACCEPT', one, memberId);
  t.deepEqual(
    (await due()).map(({ groupId }) => groupId),
    [other],
  );
});
