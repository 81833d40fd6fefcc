import { status } from '@grpc/grpc-js';
import test from 'ava';
import fc from 'fast-check';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import {
  asking,
  finishing,
  openTestJobs,
  reporting,
  someMember,
  TAKEN,
  type TestInstance,
  type TestJobs,
} from './job.fixture.ts';

let jobs: TestJobs;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  one = await jobs.instance();
  two = await jobs.instance();
});
test.after.always(() => jobs?.close());

const issued = async (): Promise<string> => (await one.peer.issueJob(asking(someMember()))).job?.jobId ?? '';
const read = async (jobId: string) => (await two.peer.getJob({ jobId })).job;

test('a job goes its way, and every change is seen by another instance', async (t) => {
  const jobId = await issued();
  t.is((await read(jobId))?.state, JobState.JOB_STATE_QUEUED);
  await one.peer.reportProgress(reporting(jobId, 2));
  const running = await read(jobId);
  t.is(running?.state, JobState.JOB_STATE_RUNNING);
  t.deepEqual(running?.progress, { done: 2, total: 5, step: 'step 2', attempt: undefined });
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_APPLIED, { resultJson: '{"memberId":"x"}' }));
  t.is((await read(jobId))?.state, JobState.JOB_STATE_APPLIED);
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  const completed = await read(jobId);
  t.is(completed?.state, JobState.JOB_STATE_COMPLETED);
  t.is(completed?.resultJson, '{"memberId":"x"}');
  t.is(completed?.version, 4);
  const events = await jobs.events(jobId);
  t.deepEqual(
    events.map(({ type, version }) => [type, version]),
    [
      ['job.applied', 3],
      ['job.completed', 4],
    ],
  );
  t.like(events[1]?.payload.job, { jobId, state: 'JOB_STATE_COMPLETED', version: 4, progress: { done: 5, total: 5 } });
});

test('what has not the form of an ID names no job, and never another key of the store', async (t) => {
  const memberId = someMember();
  await one.peer.issueJob(asking(memberId));
  for (const jobId of [`member:${memberId}`, 'finished', '', 'x'.repeat(1_000)]) {
    const missing = { code: 'JOB_NOT_FOUND', grpcStatus: status.NOT_FOUND };
    t.like(await t.throwsAsync(one.peer.getJob({ jobId })), missing);
    t.like(await t.throwsAsync(one.peer.awaitJob({ jobId, waitMs: 10 })), missing);
    const malformed = {
      grpcStatus: status.INVALID_ARGUMENT,
      fields: [{ field: 'jobId', message: jobId === '' ? 'is missing' : 'must be a UUID in lower case' }],
    };
    t.like(await t.throwsAsync(one.peer.reportProgress(reporting(jobId, 1))), malformed);
    t.like(await t.throwsAsync(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED))), malformed);
  }
});

test('a failed job says why, and a repeat or another end changes nothing', async (t) => {
  const jobId = await issued();
  await one.peer.reportProgress(reporting(jobId, 0, { state: JobState.JOB_STATE_COMPENSATING, error: TAKEN }));
  t.deepEqual((await read(jobId))?.error, TAKEN);
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED));
  const failed = await read(jobId);
  await two.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED));
  await two.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  await two.peer.reportProgress(reporting(jobId, 5));
  t.deepEqual(await read(jobId), failed);
  t.deepEqual(failed?.error, TAKEN);
  t.deepEqual(
    (await jobs.events(jobId)).map(({ type }) => type),
    ['job.failed'],
  );
});

test('an error of an earlier release, without its kind, is kept as it is', async (t) => {
  const jobId = await issued();
  const { grpcStatus: _, ...error } = TAKEN;
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED, { error }));
  const { grpcStatus, ...kept } = (await read(jobId))?.error ?? TAKEN;
  t.deepEqual(kept, error);
  t.is(grpcStatus, undefined);
});

test('random calls, repeated and at once from two instances, keep hash, outbox and lifetimes in step', async (t) => {
  const call = fc.oneof(
    fc.record({ kind: fc.constant('report' as const), done: fc.nat(5), undo: fc.boolean() }),
    fc.record({ kind: fc.constant('finish' as const), state: fc.constantFrom('APPLIED', 'COMPLETED', 'FAILED', 'CANCELLED') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(call, fc.boolean(), fc.boolean()), { maxLength: 12 }), async (calls) => {
      const jobId = await issued();
      let before = await read(jobId);
      for (const [told, twice, atOnce] of calls) {
        const send = async (instance: TestInstance): Promise<void> => {
          const sent =
            told.kind === 'report'
              ? instance.peer.reportProgress(
                  reporting(jobId, told.done, {
                    state: told.undo ? JobState.JOB_STATE_COMPENSATING : JobState.JOB_STATE_RUNNING,
                  }),
                )
              : instance.peer.finishJob(finishing(jobId, `JOB_STATE_${told.state}` as JobState));
          await sent.catch((error: MusubiError) => {
            if (error.code !== 'JOB_STATE_CONFLICT') throw error;
          });
        };
        if (atOnce) await Promise.all([send(one), send(two), send(one)]);
        else await send(one);
        if (twice) await send(two);
        const after = await read(jobId);
        t.true((after?.version ?? 0) - (before?.version ?? 0) <= 1, 'however often it is told, it happens once');
        if (before?.state === after?.state) t.true((after?.progress?.done ?? 0) >= (before?.progress?.done ?? 0));
        before = after;
      }
      const events = await jobs.events(jobId);
      const last = events.at(-1);
      const job = await read(jobId);
      const versions = events.map(({ version }) => version);
      t.deepEqual(
        versions,
        [...new Set(versions)].sort((a, b) => a - b),
      );
      t.true(events.filter(({ type }) => type !== 'job.applied').length <= 1, 'one end');
      if (job && /APPLIED|COMPLETED|FAILED|CANCELLED/.test(job.state)) t.is(last?.payload.job.state, job.state);
      else t.is(last, undefined);
      const ttl = await jobs.redis.pexpiretime(`${jobs.prefix}job:${jobId}`);
      t.is(job?.expiresAt?.getTime(), ttl);
    }),
    { numRuns: 60 },
  );
});

test('a contradiction is refused', async (t) => {
  const jobId = await issued();
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_APPLIED));
  const error = await t.throwsAsync(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED)), { instanceOf: MusubiError });
  t.is(error.code, 'JOB_STATE_CONFLICT');
  t.is(error.grpcStatus, status.FAILED_PRECONDITION);
});

test('reports about a job that is not there change nothing and do not fail the saga', async (t) => {
  const jobId = someMember();
  await one.peer.reportProgress(reporting(jobId, 1));
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  const error = await t.throwsAsync(one.peer.getJob({ jobId }), { instanceOf: MusubiError });
  t.is(error.code, 'JOB_NOT_FOUND');
  t.is((await jobs.events(jobId)).length, 0);
});

test('malformed calls are refused with the field', async (t) => {
  const jobId = await issued();
  const refused = async (call: Promise<unknown>): Promise<string[]> => {
    const error = await t.throwsAsync(call, { instanceOf: MusubiError });
    t.is(error.grpcStatus, status.INVALID_ARGUMENT);
    return error.fields.map(({ field }) => field);
  };
  t.deepEqual(await refused(one.peer.issueJob({ ...asking(''), command: '' })), ['command', 'memberId']);
  t.deepEqual(await refused(one.peer.reportProgress(reporting(jobId, 1, { state: JobState.JOB_STATE_APPLIED }))), ['state']);
  t.deepEqual(await refused(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_RUNNING))), ['state']);
  t.deepEqual(await refused(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_FAILED, { error: undefined }))), ['error']);
  const large = { resultJson: JSON.stringify({ text: '花'.repeat(22_000) }) };
  t.deepEqual(await refused(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED, large))), ['resultJson']);
  t.deepEqual(await refused(one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED, { resultJson: '[1]' }))), [
    'resultJson',
  ]);
  t.deepEqual(await refused(one.peer.awaitJob({ jobId, waitMs: 60_001 })), ['waitMs']);
});
