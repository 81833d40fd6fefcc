import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Handlers } from '#platform/grpc/server.ts';
import { sql } from '#platform/postgres/database.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { LOCKS, STATUSES } from './domain.ts';
import { call, openTestMember, type TestMember } from './member.fixture.ts';
import { memberState } from './state.ts';

/** A member is suspended and comes back, and is otherwise what it was. */

let member: TestMember;
let { db, service, rowOf } = {} as TestMember;
test.before(async () => {
  member = await openTestMember('suspension');
  ({ db, service, rowOf } = member);
});
test.after.always(() => member?.close());

const close = (memberId: string, job: string) =>
  service.closeMember({ operationId: `${job}-${memberId}/close`, memberId, reopens: true }, call);
const beginSuspend = (
  memberId: string,
  job: string,
  given: { reason?: string; byMemberId?: string; expectedVersion?: number } = {},
) => service.beginSuspend({ operationId: `${job}-${memberId}/begin-suspend`, memberId, byMemberId: 'admin', ...given }, call);
const suspend = (memberId: string, job: string) =>
  service.suspendMember({ operationId: `${job}-${memberId}/suspend`, memberId }, call);
const beginReinstate = (memberId: string, job: string, expectedVersion?: number) =>
  service.beginReinstate({ operationId: `${job}-${memberId}/begin-reinstate`, memberId, expectedVersion }, call);
const reinstate = (memberId: string, job: string) =>
  service.reinstateMember({ operationId: `${job}-${memberId}/reinstate`, memberId }, call);
const beginUpdate = (memberId: string, job: string) =>
  service.beginUpdate({ operationId: `${job}-${memberId}/begin-update`, memberId, changes: { displayName: 'Bob' } }, call);
const commitUpdate = (memberId: string, job: string) =>
  service.commitUpdate({ operationId: `${job}-${memberId}/commit`, memberId }, call);
const undo = (memberId: string, job: string, name: string) => service.undo({ operationId: `${job}-${memberId}/${name}` }, call);

async function active(): Promise<string> {
  const memberId = randomUUID();
  const job = 'register';
  await service.createMember(
    { operationId: `${job}-${memberId}/create`, memberId, loginId: 'alice', displayName: 'Alice', email: 'a@example.com' },
    call,
  );
  await service.activateMember({ operationId: `${job}-${memberId}/activate`, memberId }, call);
  return memberId;
}

async function suspended(reason?: string): Promise<string> {
  const memberId = await active();
  const job = 'suspend';
  await close(memberId, job);
  await beginSuspend(memberId, job, reason === undefined ? {} : { reason });
  await suspend(memberId, job);
  return memberId;
}

const lastEvent = async (memberId: string): Promise<Record<string, unknown> | undefined> => {
  const [event] = await db.query<{ payload: { member: Record<string, unknown> } }>(
    sql`select payload from outbox where aggregateid = ${memberId} order by version desc limit 1`,
  );
  return event?.payload.member;
};

/** What the service tells of it when its state is asked for. */
async function toldAgain(memberId: string): Promise<unknown> {
  const { tellState } = memberState(db).handlers as Handlers<StateServiceService>;
  for await (const { payloadJson } of tellState({ aggregateType: 'member', ids: [memberId], afterId: '', limit: 0 }, call))
    return JSON.parse(payloadJson).member;
}

test('a suspended member is told as one, with when and why, until it is reinstated', async (t) => {
  const memberId = await suspended('  か\u3099 休職 ');
  const { suspended_at: at } = (await rowOf(memberId)) as { suspended_at: Date };
  t.like(await rowOf(memberId), {
    status: 'SUSPENDED',
    suspension_reason: 'が 休職',
    lock: null,
    closed_by: null,
    reopens: false,
  });
  const told = { status: 'MEMBER_STATUS_SUSPENDED', suspendedAt: at.toISOString(), suspensionReason: 'が 休職' };
  t.like(await lastEvent(memberId), told);
  t.like(await toldAgain(memberId), told);
  t.deepEqual((await rowOf(memberId))?.updated_at, at);
  await beginReinstate(memberId, 'back');
  await reinstate(memberId, 'back');
  const back = await rowOf(memberId);
  t.like(back, { status: 'ACTIVE', suspended_at: null, suspension_reason: null, lock: null });
  t.true(Number(back?.updated_at) > Number(at));
  const event = await lastEvent(memberId);
  t.like(event, { status: 'MEMBER_STATUS_ACTIVE' });
  t.deepEqual([event?.suspendedAt, event?.suspensionReason], [undefined, undefined]);
});

test('nobody is told of the reason before the member is suspended, not even when its state is told again', async (t) => {
  const memberId = await active();
  await beginSuspend(memberId, 'mine', { reason: 'secret' });
  t.like(await rowOf(memberId), { status: 'ACTIVE', suspension_reason: null, pending_changes: { suspensionReason: 'secret' } });
  t.notRegex(JSON.stringify(await toldAgain(memberId)), /secret/);
});

test('who is suspended is not suspended again, and who is not is not reinstated', async (t) => {
  const one = await suspended();
  const before = await rowOf(one);
  await t.throwsAsync(beginSuspend(one, 'again'), { code: 'MEMBER_SUSPENDED' });
  t.deepEqual(await rowOf(one), before);
  const other = await active();
  await t.throwsAsync(beginReinstate(other, 'back'), { code: 'MEMBER_NOT_SUSPENDED' });
});

test('nobody suspends itself', async (t) => {
  const memberId = await active();
  await t.throwsAsync(beginSuspend(memberId, 'mine', { byMemberId: memberId }), { code: 'SELF_SUSPENSION' });
  t.like(await rowOf(memberId), { status: 'ACTIVE', lock: null });
});

test('only the version that the caller saw is suspended or reinstated', async (t) => {
  const memberId = await active();
  await t.throwsAsync(beginSuspend(memberId, 'a', { expectedVersion: 1 }), { code: 'VERSION_MISMATCH' });
  await beginSuspend(memberId, 'a', { expectedVersion: 2 });
  await suspend(memberId, 'a');
  await t.throwsAsync(beginReinstate(memberId, 'b', 2), { code: 'VERSION_MISMATCH' });
  await t.notThrowsAsync(beginReinstate(memberId, 'b', 3));
});

test('what needs the lock of an earlier step is refused to others, and out of order', async (t) => {
  const memberId = await active();
  await t.throwsAsync(suspend(memberId, 'mine'), { code: 'LOCK_NOT_HELD' });
  await beginSuspend(memberId, 'mine');
  await t.throwsAsync(suspend(memberId, 'other'), { code: 'LOCK_NOT_HELD' });
  await t.throwsAsync(reinstate(memberId, 'mine'), { code: 'LOCK_NOT_HELD' });
  await suspend(memberId, 'mine');
  await beginReinstate(memberId, 'back');
  await t.throwsAsync(reinstate(memberId, 'other'), { code: 'LOCK_NOT_HELD' });
});

test('who comes after a suspension has begun waits, and who was there before ends as it will', async (t) => {
  const memberId = await active();
  await beginUpdate(memberId, 'before');
  await close(memberId, 'mine');
  t.like(await t.throwsAsync(beginUpdate(memberId, 'after')), { code: 'MEMBER_BUSY', retryable: true });
  t.like(await t.throwsAsync(beginSuspend(memberId, 'mine')), { code: 'MEMBER_BUSY', retryable: true });
  await commitUpdate(memberId, 'before');
  t.like(
    await t.throwsAsync(beginUpdate(memberId, 'after')),
    { code: 'MEMBER_BUSY', retryable: true },
    'it is not let in between',
  );
  await beginSuspend(memberId, 'mine');
  await suspend(memberId, 'mine');
  await beginUpdate(memberId, 'after');
  await commitUpdate(memberId, 'after');
  t.like(await rowOf(memberId), { status: 'SUSPENDED', display_name: 'Bob' });
  t.like(await lastEvent(memberId), { status: 'MEMBER_STATUS_SUSPENDED', displayName: 'Bob' }, 'a change does not let it in');
});

test('a deletion goes before a suspension that has not begun, and waits for one that has', async (t) => {
  const memberId = await active();
  await close(memberId, 'suspension');
  const closeForGood = () => service.closeMember({ operationId: `deletion-${memberId}/close`, memberId }, call);
  t.like(await t.throwsAsync(closeForGood()), { code: 'MEMBER_BUSY', retryable: true });
  await undo(memberId, 'suspension', 'close');
  await closeForGood();
  t.like(await t.throwsAsync(close(memberId, 'late')), { code: 'MEMBER_DELETING', retryable: false });
});

test('the undo of a suspension forgets its reason and opens the member again', async (t) => {
  const memberId = await active();
  const before = await rowOf(memberId);
  await close(memberId, 'mine');
  await beginSuspend(memberId, 'mine', { reason: 'on leave' });
  await undo(memberId, 'mine', 'begin-suspend');
  await undo(memberId, 'mine', 'close');
  t.deepEqual(await rowOf(memberId), before);
});

test('the undo of a closing does not open what another job has closed', async (t) => {
  const memberId = await suspended();
  await close(memberId, 'other');
  await undo(memberId, 'suspend', 'close');
  t.like(await rowOf(memberId), { closed_by: `other-${memberId}`, reopens: true });
});

test('the undo of a deletion brings a suspended member back as one', async (t) => {
  const memberId = await suspended('on leave');
  const before = await rowOf(memberId);
  await service.beginDelete({ operationId: `del-${memberId}/begin`, memberId }, call);
  await service.deleteMember({ operationId: `del-${memberId}/delete`, memberId }, call);
  await undo(memberId, 'del', 'delete');
  await undo(memberId, 'del', 'begin');
  t.deepEqual(await rowOf(memberId), { ...before, version: 5 });
  t.like(await lastEvent(memberId), { status: 'MEMBER_STATUS_SUSPENDED', suspensionReason: 'on leave' });
});

test('the database knows every status and every lock of a member, and no other', async (t) => {
  for (const [constraint, known] of [
    ['status_known', STATUSES],
    ['lock_known', LOCKS],
  ] as const) {
    const [found] = await db.query<{ text: string }>(
      sql`select pg_get_constraintdef(oid) as text from pg_constraint where conname = ${constraint}`,
    );
    t.deepEqual(
      found?.text.match(/'\w+'/g)?.map((value) => value.slice(1, -1)),
      [...known],
      constraint,
    );
  }
});
