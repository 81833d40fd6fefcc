import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, reporting, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';
import { openProxy } from './proxy.fixture.ts';
import { awaitJob } from './rpcs/await-job.ts';
import type { JobStore } from './store.ts';

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

test.serial('whoever awaits a job, on any instance, is told at once when it ends on another', async (t) => {
  const late: number[] = [];
  for (let i = 0; i < 50; i++) {
    const jobId = await issued();
    let answered = 0;
    const waiting = [one, two, two].map((instance) =>
      instance.peer.awaitJob({ jobId, waitMs: 60_000 }, { timeoutMs: 90_000 }).then(({ job }) => {
        answered = performance.now();
        return job?.state;
      }),
    );
    await Promise.all([one.awaited(jobId), two.awaited(jobId)]);
    await one.peer.reportProgress(reporting(jobId, 1));
    await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
    const finished = performance.now();
    t.deepEqual(await Promise.all(waiting), Array(3).fill(JobState.JOB_STATE_COMPLETED));
    late.push(answered - finished);
    t.true(answered - finished < 30_000, 'told, long before the wait was over');
  }
  late.sort((a, b) => a - b);
  t.log(`answered after the finish: p50 ${late[25]?.toFixed(2)} ms, p95 ${late[47]?.toFixed(2)} ms`);
});

test('a job is looked at when the wait begins and when it is told of, not in between', async (t) => {
  const jobId = await issued();
  let looks = 0;
  const counting: JobStore = {
    ...jobs.store,
    read: (id) => {
      looks++;
      return jobs.store.read(id);
    },
  };
  const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 120_000) };
  const waiting = awaitJob(counting, one.finished, jobId, 60_000, call);
  await one.awaited(jobId);
  await sleep(300);
  t.is(looks, 1);
  await two.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  t.is((await waiting).state, 'completed');
  t.is(looks, 2);
});

test('a job that is final is answered without waiting; one that is not, as it is after the wait', async (t) => {
  const jobId = await issued();
  const begun = performance.now();
  t.is((await two.peer.awaitJob({ jobId, waitMs: 200 })).job?.state, JobState.JOB_STATE_QUEUED);
  t.true(performance.now() - begun >= 195);
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_APPLIED));
  t.is((await two.peer.awaitJob({ jobId, waitMs: 100 })).job?.state, JobState.JOB_STATE_APPLIED);
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  t.is((await two.peer.awaitJob({ jobId, waitMs: 60_000 })).job?.state, JobState.JOB_STATE_COMPLETED);
  const error = await t.throwsAsync(two.peer.awaitJob({ jobId: someMember(), waitMs: 10 }), { instanceOf: MusubiError });
  t.is(error.code, 'JOB_NOT_FOUND');
});

test('the caller’s own deadline is met with an answer, and a caller that left is forgotten', async (t) => {
  const jobId = await issued();
  t.is((await two.peer.awaitJob({ jobId, waitMs: 60_000 }, { timeoutMs: 4_000 })).job?.state, JobState.JOB_STATE_QUEUED);
  const abort = new AbortController();
  const left = two.peer.awaitJob({ jobId, waitMs: 60_000 }, { timeoutMs: 90_000, signal: abort.signal });
  await two.awaited(jobId);
  abort.abort();
  await t.throwsAsync(left, { instanceOf: MusubiError });
  const deadline = performance.now() + 30_000;
  while (two.finished.watched(jobId) && performance.now() < deadline) await sleep(10);
  t.false(two.finished.watched(jobId));
});

test('an instance that stops answers those who wait at once', async (t) => {
  const stopping = await jobs.instance();
  const jobId = await issued();
  const waiting = stopping.peer.awaitJob({ jobId, waitMs: 60_000 }, { timeoutMs: 90_000 });
  await stopping.awaited(jobId);
  const begun = performance.now();
  const stopped = stopping.lifecycle.stop('test');
  // An answer: who got none would be cut off.
  t.is((await waiting).job?.state, JobState.JOB_STATE_QUEUED);
  await stopped;
  t.true(performance.now() - begun < 30_000);
});

test('while Redis is away calls fail soon as UNAVAILABLE; when it is back, so are we, and no end was missed', async (t) => {
  const proxy = await openProxy(process.env.MUSUBI_REDIS_URL ?? '');
  t.teardown(() => proxy.close());
  const cut = await jobs.instance({ url: proxy.url });
  const jobId = await issued();
  const waiting = cut.peer.awaitJob({ jobId, waitMs: 60_000 }, { timeoutMs: 90_000 });
  await cut.awaited(jobId);
  proxy.cut();
  for (let i = 0; i < 5; i++) {
    // The service's own answer, so it came before the deadline of the call.
    const error = await t.throwsAsync(cut.peer.getJob({ jobId }), { instanceOf: MusubiError });
    t.is(error.code, 'STORE_UNAVAILABLE');
    t.true(error.retryable);
  }
  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
  proxy.mend();
  const mended = performance.now();
  t.is((await waiting).job?.state, JobState.JOB_STATE_COMPLETED);
  t.is((await cut.peer.getJob({ jobId })).job?.state, JobState.JOB_STATE_COMPLETED);
  const healed = performance.now() - mended;
  t.log(`healed ${Math.round(healed)} ms after Redis was back`);
  t.true(healed < 30_000, 'by being woken, not by the end of the wait');
});
