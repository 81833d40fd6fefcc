import { status } from '@grpc/grpc-js';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { SYSTEM } from '#platform/validation/id.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, reporting, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';

// How many jobs a member may have under way, counted in the script that issues them.

let jobs: TestJobs;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  one = await jobs.instance({ limits: { places: { perMember: 6, perAggregate: 2 } } });
  two = await jobs.instance({ limits: { places: { perMember: 6, perAggregate: 2 } } });
});
test.after.always(() => jobs?.close());

const issue = async (asked: ReturnType<typeof asking>): Promise<string> => (await one.peer.issueJob(asked)).job?.jobId ?? '';
const refusal = async (asked: ReturnType<typeof asking>): Promise<Partial<MusubiError> | undefined> => {
  try {
    await two.peer.issueJob(asked);
    return undefined;
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    const { code, grpcStatus, retryAfterSeconds, message } = error;
    return { code, grpcStatus, retryAfterSeconds, message };
  }
};
const FULL = { code: 'TOO_MANY_JOBS', grpcStatus: status.RESOURCE_EXHAUSTED, retryAfterSeconds: 1 };

test('of many at once from two instances, a member gets as many jobs under way as there are places', async (t) => {
  const memberId = someMember();
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).peer.issueJob(asking(memberId))),
  );
  t.is(answers.filter((answer) => answer.status === 'fulfilled').length, 6);
  for (const answer of answers) if (answer.status === 'rejected') t.like(answer.reason, FULL);
  t.like(await refusal(asking(memberId)), { ...FULL, message: 'You have too many jobs under way; wait until one has ended.' });
  t.is(await refusal(asking(someMember())), undefined, 'others have their own');
});

test('on one aggregate a member gets fewer, and others their own', async (t) => {
  const memberId = someMember();
  const asked = asking(memberId);
  await issue(asked);
  await issue(asked);
  t.like(await refusal(asked), { ...FULL, message: 'You have too many jobs on this under way; wait until one has ended.' });
  t.is(await refusal(asking(memberId)), undefined);
  t.is(await refusal({ ...asked, memberId: someMember() }), undefined, 'an admin’s command gets through');
});

test('what the system itself begins is not bounded: all that ends may end at one moment', async (t) => {
  const asked = asking(SYSTEM);
  const refusals = await Promise.all(Array.from({ length: 150 }, () => refusal(asked)));
  t.deepEqual(
    refusals.filter((one) => one !== undefined),
    [],
  );
});

test('whatever ends a job, its place is free; what is applied is done', async (t) => {
  for (const state of ['APPLIED', 'COMPLETED', 'FAILED', 'CANCELLED'] as const) {
    const asked = asking(someMember());
    const jobId = await issue(asked);
    await issue(asked);
    await one.peer.reportProgress(reporting(jobId, 1));
    t.like(await refusal(asked), FULL);
    for (let i = 0; i < 2; i++) await two.peer.finishJob(finishing(jobId, JobState[`JOB_STATE_${state}`]));
    t.is(await refusal(asked), undefined);
    t.like(await refusal(asked), FULL, 'one place, and not two');
  }
});

test('the repeat of a key takes no place, and is answered when there is none', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const jobId = await issue(asked);
  for (let i = 0; i < 5; i++) t.is(await issue(asked), jobId);
  t.is(await refusal({ ...asked, idempotencyKey: 'l' }), undefined);
  const full = { ...asked, idempotencyKey: 'm' };
  t.like(await refusal(full), FULL);
  t.is(await issue(asked), jobId);
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  t.is(await refusal(full), undefined, 'what was refused has used up nothing, its key neither');
});

test('a job that is not heard of for long loses its place, and gets it back when it is', async (t) => {
  const asked = asking(someMember());
  const [first, second] = [await issue(asked), await issue(asked)];
  const places = [`job:under-way:${asked.memberId}`, `job:under-way:${asked.memberId}:${asked.aggregateId}`];
  for (const key of places) {
    const [held, alive] = [await jobs.redis.zscore(jobs.prefix + key, first), await jobs.redis.pttl(jobs.prefix + key)];
    const left = Number(held) - (await jobs.store.now());
    t.true(left > 590_000 && left <= 600_000, `${left} ms`);
    t.true(alive > 590_000 && alive <= 600_000);
    // Ten minutes later.
    await jobs.redis.zadd(jobs.prefix + key, (await jobs.store.now()) - 1, first);
  }
  t.is(await refusal(asked), undefined);
  t.like(await refusal(asked), FULL);
  await one.peer.finishJob(finishing(second, JobState.JOB_STATE_COMPLETED));
  await one.peer.reportProgress(reporting(first, 1));
  t.like(await refusal(asked), FULL);
});

test('of many jobs, however soon each has ended, a member gets a burst from all instances, and then one every so often', async (t) => {
  const rate = { burst: 5, everySeconds: 100 };
  const [here, there] = [await jobs.instance({ limits: { rate } }), await jobs.instance({ limits: { rate } })];
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const first = (await here.peer.issueJob(asked)).job?.jobId ?? '';
  await here.peer.finishJob(finishing(first, JobState.JOB_STATE_COMPLETED));
  const further = () => asking(asked.memberId);
  const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => (i % 2 ? here : there).peer.issueJob(further())));
  t.is(answers.filter((answer) => answer.status === 'fulfilled').length, 4);
  const message = 'You have sent too many commands of late; try again later.';
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    const { retryAfterSeconds = 0, ...refused } = answer.reason as MusubiError;
    t.like(refused, { code: 'TOO_MANY_JOBS', grpcStatus: status.RESOURCE_EXHAUSTED });
    t.is((answer.reason as MusubiError).message, message);
    t.true(retryAfterSeconds > 90 && retryAfterSeconds <= 100, `${retryAfterSeconds} s`);
  }
  t.is((await there.peer.issueJob(asked)).job?.jobId, first, 'a repeat is no new one');
  await t.notThrowsAsync(here.peer.issueJob(asking(someMember())), 'others have their own');

  // A hundred seconds later, and again after a long time.
  const key = `${jobs.prefix}job:rate:${asked.memberId}`;
  t.true((await jobs.redis.pttl(key)) <= 500_000, 'it is gone when it is full again');
  await jobs.redis.decrby(key, 100_000);
  await t.notThrowsAsync(here.peer.issueJob(further()));
  await t.throwsAsync(here.peer.issueJob(further()), { message });
  await jobs.redis.decrby(key, 10_000_000);
  for (let i = 0; i < 5; i++) await t.notThrowsAsync(there.peer.issueJob(further()));
  await t.throwsAsync(here.peer.issueJob(further()), { message });
});

test('one that costs as much as many counts as so many, and where it costs more than all that may come at once, as all', async (t) => {
  const { peer } = await jobs.instance({ limits: { rate: { burst: 5, everySeconds: 100 } } });
  const memberId = someMember();
  const message = 'You have sent too many commands of late; try again later.';
  await peer.issueJob({ ...asking(memberId), cost: 3 });
  await t.throwsAsync(peer.issueJob({ ...asking(memberId), cost: 3 }), { message });
  await peer.issueJob({ ...asking(memberId), cost: 2 });
  await t.throwsAsync(peer.issueJob(asking(memberId)), { message });
  const other = someMember();
  await peer.issueJob({ ...asking(other), cost: 100 });
  const error = await t.throwsAsync<MusubiError>(peer.issueJob({ ...asking(other), cost: 100 }), { message });
  t.true((error?.retryAfterSeconds ?? 0) > 490, 'only once all of it is there again');
  for (const cost of [0, -1, 10_001])
    await t.throwsAsync(peer.issueJob({ ...asking(someMember()), cost }), { code: 'INVALID_ARGUMENT' });
});
