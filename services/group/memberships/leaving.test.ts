import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { groupErasure } from '../erasure.ts';
import { call, type Job, job, openTestGroup } from '../group.fixture.ts';
import { invitation, joiningOf } from './joining.fixture.ts';

// How a member that is deleted goes out of all groups.

const group = await openTestGroup('leaving');
const { db, service, begin, commit, createGroup, membershipOf, putMembers, eventsOf, undo, close } = group;
const { closeMember, leaveAll, closeAndLeave } = group;
const { change, done } = joiningOf(group);
test.after.always(close);

const DELETING = { code: 'MEMBER_DELETING' };
const enter = (memberId: string, { of } = job()) => service.enterOrganisation({ operationId: of('enter'), memberId }, call);

test('a member that is closed stays what it is, and nothing begins with it any more; the undo opens it again', async (t) => {
  const [memberId, other, at] = [randomUUID(), randomUUID(), job()];
  const [within, elsewhere, making] = [await createGroup({ tags: ['a'] }), await createGroup(), job()];
  await enter(memberId);
  await putMembers(within, [memberId]);
  const before = await membershipOf(within, memberId);
  const { groupId } = await begin.create({}, making);
  await closeMember(memberId, at);
  await closeMember(memberId, at);
  t.deepEqual(await membershipOf(within, memberId), before);
  t.truthy((await membershipOf(ROOT, memberId))?.joinedAt);
  const beginnings = [
    () => change('JOIN', elsewhere, memberId),
    () => change('LEAVE', within, memberId),
    () => change('EXPEL', within, memberId),
    () => change('INVITE', elsewhere, memberId, invitation()),
    () => begin.tag(within, 'a', { memberId }),
    () => service.addCreator({ operationId: making.of('creator'), groupId, memberId }, call),
    () => enter(memberId),
    () => closeMember(memberId),
  ];
  for (const beginning of beginnings) await t.throwsAsync(beginning(), DELETING);
  await t.throwsAsync(leaveAll(memberId), { code: 'LOCK_NOT_HELD' }, 'another job has closed it');
  await t.notThrowsAsync(change('JOIN', elsewhere, other), 'others go on');
  t.deepEqual(await service.enterMembers({ operationId: job().of('enter'), memberIds: [memberId] }, call), { memberIds: [] });

  await undo(at.of('close'));
  await t.throwsAsync(closeMember(memberId, at), { code: 'OPERATION_UNDONE' });
  t.deepEqual(await membershipOf(within, memberId), before);
  await t.notThrowsAsync(done('LEAVE', within, memberId));
});

test('it leaves all groups, once what had begun with it has ended; the undo brings it back into those that are still there', async (t) => {
  const [memberId, at, joining] = [randomUUID(), job(), job()];
  const [stays, goes, before] = [await createGroup(), await createGroup(), await createGroup()];
  await enter(memberId);
  for (const groupId of [stays, goes]) await putMembers(groupId, [memberId]);
  const left = await createGroup();
  await done('JOIN', left, memberId);
  await done('LEAVE', left, memberId);
  const joined = await membershipOf(stays, memberId);
  await change('JOIN', before, memberId, {}, joining);
  await closeMember(memberId, at);
  t.like(await t.throwsAsync(leaveAll(memberId, at)), { code: 'MEMBERSHIP_BUSY', retryable: true });
  await t.throwsAsync(change('JOIN', goes, memberId), DELETING, 'a refusal does not open it');
  await service.commitMembership({ operationId: joining.of('commit') }, call);
  const { groupIds, written } = await leaveAll(memberId, at);
  t.deepEqual(groupIds.toSorted(), [ROOT, stays, goes, before].sort());
  t.is(written.length, 4);
  await t.throwsAsync(change('ADD', stays, memberId), DELETING);
  await t.throwsAsync(enter(memberId), DELETING);
  const { of } = job();
  await begin.delete(goes, { jobId: '', of });
  await service.purgeGroups({ operationId: of('purge'), groupId: goes, limit: 10 }, call);

  await undo(at.of('leave'));
  t.deepEqual((await membershipOf(stays, memberId))?.joinedAt, joined?.joinedAt);
  t.truthy((await membershipOf(ROOT, memberId))?.joinedAt);
  t.is(await membershipOf(goes, memberId), undefined);
  t.deepEqual(await eventsOf(`${stays}.${memberId}`), ['membership.ended 2', 'membership.changed 3']);
  t.is((await eventsOf(`${left}.${memberId}`)).at(-1), 'membership.ended 2', 'nothing is told of one that it had left');
  await t.throwsAsync(change('LEAVE', stays, memberId), DELETING, 'it is still closed');
  await undo(at.of('close'));
  await t.notThrowsAsync(done('LEAVE', stays, memberId));
});

test('those who go on sending commands about a member do not hold up its deletion', async (t) => {
  const [memberId, at] = [randomUUID(), job()];
  const groups = [await createGroup(), await createGroup()] as const;
  for (const groupId of groups) await putMembers(groupId, [memberId]);
  const tried: string[] = [];
  let isOver = false;
  // One job after the other, of which each begins before the last one ends: at every moment one is at the member.
  const senders = async (): Promise<void> => {
    let last: Job | undefined;
    for (let count = 0; !isOver; count++) {
      const next = job();
      const code = await change('LEAVE', groups[count % 2] ?? '', memberId, {}, next).then(
        () => 'begun',
        (error: MusubiError) => error.code,
      );
      tried.push(code);
      if (last) await undo(last.of('begin'));
      last = code === 'begun' ? next : undefined;
      if (code !== 'begun') await sleep(5);
    }
    if (last) await undo(last.of('begin'));
  };
  const sending = senders();
  await until(() => tried.length >= 10);
  await closeMember(memberId, at);
  const deadline = Date.now() + 5_000;
  let groupIds: string[] | undefined;
  while (!groupIds && Date.now() < deadline)
    groupIds = await leaveAll(memberId, at).then(
      (left) => left.groupIds,
      (error: unknown) => {
        if (error instanceof MusubiError && error.retryable) return undefined;
        throw error;
      },
    );
  isOver = true;
  await sending;
  t.deepEqual(groupIds?.toSorted(), [...groups].sort(), 'it got through');
  t.deepEqual([...new Set(tried)].sort(), ['MEMBER_DELETING', 'begun']);
});

test('of two that close a member, and of one that closes it and one that begins, neither misses the other', async (t) => {
  for (let round = 0; round < 10; round++) {
    const [groupId, memberId] = [await createGroup(), randomUUID()];
    const [one, other, joining] = [job(), job(), job()];
    const outcomes = await Promise.allSettled([
      closeMember(memberId, one),
      closeMember(memberId, other),
      change('JOIN', groupId, memberId, {}, joining),
    ]);
    const [closings, [begun]] = [outcomes.slice(0, 2), outcomes.slice(2)];
    t.is(closings.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const each of outcomes) if (each.status === 'rejected') t.like(each.reason, DELETING);
    const by = closings[0]?.status === 'fulfilled' ? one : other;
    if (begun?.status === 'fulfilled') await t.throwsAsync(leaveAll(memberId, by), { code: 'MEMBERSHIP_BUSY' });
    else await t.notThrowsAsync(leaveAll(memberId, by));
  }
});

test('while a job has what it is in the whole organisation, it is closed all the same, and waited for', async (t) => {
  const [memberId, at, tagging, setting] = [randomUUID(), job(), job(), job()];
  await enter(memberId);
  await begin.tags(ROOT, 'TAGS_CHANGE_PUT', 'a', {}, setting);
  await commit(ROOT, setting);
  await begin.tag(ROOT, 'a', { memberId }, true, tagging);
  await closeMember(memberId, at);
  await t.throwsAsync(leaveAll(memberId, at), { code: 'MEMBERSHIP_BUSY' });
  await service.commitTag({ operationId: tagging.of('commit') }, call);
  await leaveAll(memberId, at);
  t.like(await membershipOf(ROOT, memberId), { joinedAt: null, tagIds: null, lockHolder: null });
  await undo(at.of('leave'));
  t.is((await membershipOf(ROOT, memberId))?.tagIds?.length, 1);
});

test('one that was in nothing leaves all, and the undo leaves nothing of that', async (t) => {
  const [memberId, at] = [randomUUID(), job()];
  t.deepEqual(await closeAndLeave(memberId, at), { written: [], groupIds: [] });
  await undo(at.of('leave'));
  await undo(at.of('close'));
  t.is(await membershipOf(ROOT, memberId), undefined);
  await t.notThrowsAsync(enter(memberId));
});

test('where a member was until it was deleted is forgotten with it; an undo has nothing to do then', async (t) => {
  const [groupId, memberId, at] = [await createGroup(), randomUUID(), job()];
  await putMembers(groupId, [memberId]);
  await closeAndLeave(memberId, at);
  t.deepEqual(await groupErasure(db).erase([memberId]), { erased: [{ memberId, place: 'operations', count: 1 }] });
  await undo(at.of('leave'));
  t.is((await membershipOf(groupId, memberId))?.joinedAt, null);
});
