import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { newId } from '#platform/validation/id.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, RETENTION, reporting, someMember, type TestJobs } from './job.fixture.ts';

let jobs: TestJobs;
test.beforeEach(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
});
test.afterEach.always(() => jobs?.close());

/** An ID that was made then, ms. */
function madeAt(time: number): string {
  const hex = time.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}${newId().slice(13)}`;
}

/** All pages, one after the other. */
async function unfinished(one: Awaited<ReturnType<TestJobs['instance']>>, quietMs = 0, pageSize = 0): Promise<string[][]> {
  const pages: string[][] = [];
  let pageToken = '';
  do {
    const page = await one.peer.listUnfinishedJobs({ quietMs, pageSize, pageToken });
    pages.push(page.jobs.map(({ jobId }) => jobId));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return pages;
}

test.serial('unfinished jobs of all members are listed, those first that nothing was heard of for longest', async (t) => {
  const one = await jobs.instance();
  const issue = async () => (await one.peer.issueJob(asking(someMember()))).job?.jobId ?? '';
  const ids = await Promise.all(Array.from({ length: 25 }, issue));
  const [ended = '', applied = '', heard = ''] = ids;
  await one.peer.finishJob(finishing(ended, JobState.JOB_STATE_FAILED));
  await sleep(5);
  await one.peer.finishJob(finishing(applied, JobState.JOB_STATE_APPLIED));
  await sleep(5);
  await one.peer.reportProgress(reporting(heard, 2));
  const pages = await unfinished(one, 0, 7);
  t.deepEqual(
    pages.map((page) => page.length),
    [7, 7, 7, 3],
  );
  t.deepEqual(pages.flat().toSorted(), ids.slice(1).toSorted(), 'each once');
  t.deepEqual(pages.flat().slice(-2), [applied, heard]);
  t.deepEqual(await unfinished(one, 60_000), [[]], 'of all of them something was heard in the last minute');
  await t.throwsAsync(one.peer.listUnfinishedJobs({ quietMs: 0, pageSize: 0, pageToken: 'x' }), { code: 'PAGE_TOKEN_INVALID' });
});

test.serial('what has expired is no unfinished job, and leaves the list', async (t) => {
  const one = await jobs.instance({ retention: { activeMs: 1_000, finishedMs: 1_000 } });
  await one.peer.issueJob(asking(someMember()));
  t.is((await unfinished(one)).flat().length, 1);
  await sleep(1_100);
  t.deepEqual(await unfinished(one), [[]]);
  t.is(await jobs.redis.zcard(`${jobs.prefix}job:unfinished`), 0);
});

test.serial('a job whose record is lost is written again as it ended, and told once, if the saga says whose it is', async (t) => {
  const one = await jobs.instance({ limits: { places: { perMember: 1, perAggregate: 1 } } });
  const asked = asking(someMember());
  const { command, memberId, aggregateId } = asked;
  const jobId = (await one.peer.issueJob(asked)).job?.jobId ?? '';
  await jobs.redis.del(await jobs.redis.keys(`${jobs.prefix}*`));
  // Another job of the same member has taken the only place meanwhile.
  await one.peer.issueJob(asked);

  await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED, { resultJson: '{}' }));
  await t.throwsAsync(one.peer.getJob({ jobId }), { code: 'JOB_NOT_FOUND' }, 'a worker of an earlier release does not say it');

  const end = finishing(jobId, JobState.JOB_STATE_APPLIED, { command, memberId, aggregateId, resultJson: '{"memberId":"x"}' });
  await Promise.all([one.peer.finishJob(end), one.peer.finishJob(end)]);
  const applied = (await one.peer.getJob({ jobId })).job;
  t.like(applied, { command, memberId, aggregateId, state: JobState.JOB_STATE_APPLIED, resultJson: '{"memberId":"x"}' });
  for (let i = 0; i < 2; i++) await one.peer.finishJob({ ...end, state: JobState.JOB_STATE_COMPLETED, resultJson: '' });
  const completed = (await one.peer.getJob({ jobId })).job;
  t.like(completed, { state: JobState.JOB_STATE_COMPLETED, resultJson: '{"memberId":"x"}' });
  const events = await jobs.events(jobId);
  t.deepEqual(
    events.map(({ type }) => type),
    ['job.applied', 'job.completed'],
  );
  const [first = 0, second = 0] = events.map(({ version }) => version);
  t.true(first > 1_000_000 && second === first + 1, 'newer than whatever was told before the loss');
  const list = { memberId, state: JobState.JOB_STATE_UNSPECIFIED, command: '', pageSize: 0, pageToken: '' };
  t.true((await one.peer.listJobs(list)).jobs.some((job) => job.jobId === jobId));
});

test.serial('a job that was issued longer ago than jobs are kept has expired: its end changes nothing', async (t) => {
  const one = await jobs.instance();
  const { command, memberId, aggregateId } = asking(someMember());
  const end = (jobId: string) =>
    one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED, { command, memberId, aggregateId }));
  const old = madeAt(Date.now() - RETENTION.activeMs - 1_000);
  await end(old);
  await t.throwsAsync(one.peer.getJob({ jobId: old }), { code: 'JOB_NOT_FOUND' });
  t.deepEqual(await jobs.events(old), []);
  const recent = madeAt(Date.now() - RETENTION.activeMs + 30_000);
  await end(recent);
  t.is((await one.peer.getJob({ jobId: recent })).job?.state, JobState.JOB_STATE_COMPLETED);
});
