import { status } from '@grpc/grpc-js';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';

let jobs: TestJobs;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  one = await jobs.instance();
  two = await jobs.instance();
});
test.after.always(() => jobs?.close());

test('the same key at the same time from two instances is one job', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).peer.issueJob(asked)));
  t.is(new Set(answers.map(({ job }) => job?.jobId)).size, 1);
  t.is(answers.filter(({ reused }) => !reused).length, 1);
  t.is(
    (
      await one.peer.listJobs({
        memberId: asked.memberId,
        state: JobState.JOB_STATE_UNSPECIFIED,
        command: '',
        pageSize: 0,
        pageToken: '',
      })
    ).jobs.length,
    1,
  );
});

test('what a key was used for can be found without issuing anything', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const { memberId, idempotencyKey, fingerprint } = asked;
  t.is((await one.peer.findJob({ memberId, idempotencyKey, fingerprint })).job, undefined);
  const { job } = await one.peer.issueJob(asked);
  t.deepEqual((await two.peer.findJob({ memberId, idempotencyKey, fingerprint })).job, job);
  t.is((await two.peer.findJob({ memberId: someMember(), idempotencyKey, fingerprint })).job, undefined);
  await t.throwsAsync(one.peer.findJob({ memberId, idempotencyKey, fingerprint: 'b' }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  await t.throwsAsync(one.peer.findJob({ memberId, idempotencyKey: '', fingerprint }), { code: 'INVALID_ARGUMENT' });
});

test('the same key for something else is refused, and another member may use it', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const { job } = await one.peer.issueJob(asked);
  const error = await t.throwsAsync(two.peer.issueJob({ ...asked, fingerprint: 'b' }), { instanceOf: MusubiError });
  t.is(error.code, 'IDEMPOTENCY_KEY_REUSED');
  t.is(error.grpcStatus, status.FAILED_PRECONDITION);
  t.like(error.fields[0], { field: 'idempotencyKey', code: 'TAKEN' });
  const other = await two.peer.issueJob({ ...asked, memberId: someMember() });
  t.false(other.reused);
  t.not(other.job?.jobId, job?.jobId);
});

test('a finished job is found by its key, as it is now', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const jobId = (await one.peer.issueJob(asked)).job?.jobId ?? '';
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED, { resultJson: '{"a":1}' }));
  const again = await two.peer.issueJob(asked);
  t.true(again.reused);
  t.like(again.job, { jobId, state: JobState.JOB_STATE_COMPLETED, resultJson: '{"a":1}' });
});

test('without a key every call is a new job', async (t) => {
  const asked = asking(someMember());
  const ids = await Promise.all(Array.from({ length: 5 }, async () => (await one.peer.issueJob(asked)).job?.jobId));
  t.is(new Set(ids).size, 5);
});

test('a key lives exactly as long as its job, then it is free', async (t) => {
  const brief = await jobs.instance({ retention: { activeMs: 600_000, finishedMs: 300_000 } });
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const jobId = (await brief.peer.issueJob(asked)).job?.jobId ?? '';
  const keys = [`job:${jobId}`, `job:key:${asked.memberId}:k`].map((key) => jobs.prefix + key);
  const lifetimes = (): Promise<number[]> => Promise.all(keys.map((key) => jobs.redis.pexpiretime(key)));
  const [ofJob = 0, ofKey] = await lifetimes();
  t.is(ofKey, ofJob);
  await brief.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  const [ofFinished = 0, ofItsKey] = await lifetimes();
  t.is(ofItsKey, ofFinished);
  t.true(ofFinished > 0 && ofFinished < ofJob);
  // Their time comes.
  for (const key of keys) await jobs.redis.pexpireat(key, Date.now() - 1);
  const next = await brief.peer.issueJob({ ...asked, fingerprint: 'b' });
  t.false(next.reused);
  t.not(next.job?.jobId, jobId);
});

test('the key of a job that the store has lost is free, too', async (t) => {
  const asked = asking(someMember(), { idempotencyKey: 'k' });
  const jobId = (await one.peer.issueJob(asked)).job?.jobId ?? '';
  await jobs.redis.del(`${jobs.prefix}job:${jobId}`);
  const next = await two.peer.issueJob(asked);
  t.false(next.reused);
  t.not(next.job?.jobId, jobId);
});
