import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';

let jobs: TestJobs;
let one: TestInstance;
test.before(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  one = await jobs.instance();
});
test.after.always(() => jobs?.close());

const issue = async (memberId: string, command = 'member.register', instance = one): Promise<string> =>
  (await instance.peer.issueJob(asking(memberId, { command }))).job?.jobId ?? '';

/** All pages, one after the other. */
async function list(memberId: string, more: { state?: JobState; command?: string; pageSize?: number } = {}) {
  const pages: string[][] = [];
  let pageToken = '';
  do {
    const request = { memberId, state: JobState.JOB_STATE_UNSPECIFIED, command: '', pageSize: 0, pageToken, ...more };
    const page = await one.peer.listJobs(request);
    pages.push(page.jobs.map(({ jobId }) => jobId));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return pages;
}

test('jobs are listed newest first, page by page, each once, and only the member’s own', async (t) => {
  const memberId = someMember();
  const ids: string[] = [];
  // Many share a millisecond.
  for (let i = 0; i < 12; i++) ids.push(...(await Promise.all(Array.from({ length: 5 }, () => issue(memberId)))));
  await issue(someMember());
  const pages = await list(memberId, { pageSize: 7 });
  t.deepEqual(
    pages.map((page) => page.length),
    [7, 7, 7, 7, 7, 7, 7, 7, 4],
  );
  t.deepEqual(pages.flat().toSorted(), ids.toSorted(), 'each once');
  // By the store's time, and those of the same millisecond by their IDs.
  const listed = await Promise.all(pages.flat().map(async (jobId) => (await one.peer.getJob({ jobId })).job));
  const keys = listed.map((job) => `${job?.createdAt?.toISOString()} ${job?.jobId}`);
  t.deepEqual(keys, keys.toSorted().toReversed());
});

test('a page that ends with the list has no next one', async (t) => {
  const memberId = someMember();
  for (let i = 0; i < 4; i++) await issue(memberId);
  t.deepEqual(
    (await list(memberId, { pageSize: 2 })).map((page) => page.length),
    [2, 2],
  );
  t.deepEqual(await list(someMember()), [[]]);
});

test('jobs are filtered by state and command, however rare the wanted ones are', async (t) => {
  const memberId = someMember();
  const rare = await issue(memberId, 'member.delete');
  await one.peer.finishJob(finishing(rare, JobState.JOB_STATE_FAILED));
  for (let i = 0; i < 25; i++) await Promise.all(Array.from({ length: 50 }, () => issue(memberId)));
  t.deepEqual((await list(memberId, { command: 'member.delete' })).flat(), [rare]);
  t.deepEqual((await list(memberId, { state: JobState.JOB_STATE_FAILED, pageSize: 1 })).flat(), [rare]);
  t.deepEqual((await list(memberId, { state: JobState.JOB_STATE_FAILED, command: 'member.register' })).flat(), []);
  t.is((await list(memberId, { state: JobState.JOB_STATE_QUEUED, pageSize: 100 })).flat().length, 1_250);
});

test('expired jobs are not listed, and leave the index little by little', async (t) => {
  const brief = await jobs.instance({ retention: { activeMs: 100, finishedMs: 100 } });
  const memberId = someMember();
  // Without one that lives on, the index would go as a whole.
  const first = await issue(memberId);
  for (let i = 0; i < 50; i++) await issue(memberId, 'member.register', brief);
  await sleep(150);
  t.deepEqual((await list(memberId)).flat(), [first]);
  const size = async (): Promise<number[]> =>
    Promise.all(['job:member:', 'job:member-expiry:'].map((key) => jobs.redis.zcard(jobs.prefix + key + memberId)));
  const last = await issue(memberId);
  t.true(((await size())[0] ?? 0) <= 32, 'bounded work: some of them each time');
  await issue(memberId);
  await issue(memberId);
  t.deepEqual(await size(), [4, 4]);
  t.true((await list(memberId)).flat().includes(last));
  t.true((await jobs.redis.pttl(`${jobs.prefix}job:member:${memberId}`)) > 100_000, 'the index lives as long as its longest job');
});

test('a page token that is not ours is refused', async (t) => {
  const request = { memberId: someMember(), state: JobState.JOB_STATE_UNSPECIFIED, command: '', pageSize: 0, pageToken: 'x' };
  const error = await t.throwsAsync(one.peer.listJobs(request), { instanceOf: MusubiError });
  t.is(error.code, 'PAGE_TOKEN_INVALID');
  t.is(error.fields[0]?.field, 'pageToken');
});
