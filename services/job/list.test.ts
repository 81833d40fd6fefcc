import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Turns } from '#platform/concurrency/turns.ts';
import { MusubiError } from '#platform/errors.ts';
import type { Redis } from '#platform/redis/client.ts';
import { newId } from '#platform/validation/id.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';
import { listJobs } from './rpcs/list-jobs.ts';
import { jobStore } from './store.ts';

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

test('whose jobs are is answered for many at once, without those that are not known', async (t) => {
  const [hana, taro] = [someMember(), someMember()];
  const [first, second, third] = [await issue(hana), await issue(taro), await issue(hana)];
  const { owners } = await one.peer.getJobOwners({ jobIds: [first, second, newId(), third] });
  t.deepEqual(owners, { [first]: hana, [second]: taro, [third]: hana });
  t.deepEqual((await one.peer.getJobOwners({ jobIds: [] })).owners, {});
  const fields = async (jobIds: string[]) =>
    ((await t.throwsAsync(one.peer.getJobOwners({ jobIds }))) as MusubiError).fields.map(({ field }) => field);
  t.deepEqual(await fields(Array(101).fill(first)), ['jobIds']);
  t.deepEqual(await fields([first, 'member:*']), ['jobIds.1']);
});

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
  const memberId = someMember();
  for (let i = 0; i < 3; i++) await issue(memberId);
  const page = { ...request, memberId, pageSize: 1, pageToken: '' };
  const { nextPageToken: pageToken } = await one.peer.listJobs(page);
  t.is((await one.peer.listJobs({ ...page, pageToken })).jobs.length, 1);
  for (const other of [{ command: 'member.update' }, { state: JobState.JOB_STATE_QUEUED }, { memberId: someMember() }])
    await t.throwsAsync(one.peer.listJobs({ ...page, ...other, pageToken }), { code: 'PAGE_TOKEN_INVALID' }, 'of another list');
});

/** What Redis is asked to read of jobs, and what was made of that. */
function reads() {
  const seen = { whole: 0, partly: 0 };
  const { hgetall, hmget } = jobs.redis;
  const redis = Object.assign(Object.create(jobs.redis) as Redis, {
    hgetall: (key: string) => {
      seen.whole++;
      return hgetall.call(jobs.redis, key);
    },
    hmget: (...given: [string, ...string[]]) => {
      seen.partly++;
      return hmget.call(jobs.redis, ...given);
    },
  });
  return {
    seen,
    store: jobStore(
      redis,
      { places: { perMember: 10_000, perAggregate: 10_000 }, rate: { burst: 10_000, everySeconds: 1 } },
      jobs.prefix,
    ),
  };
}

const ALL = { state: undefined, command: undefined };

test('a page reads the jobs that it shows and one more, and of others only what it is filtered by', async (t) => {
  const memberId = someMember();
  for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 50 }, () => issue(memberId)));
  const { seen, store } = reads();
  const first = await store.list(memberId, ALL, undefined, 1);
  t.deepEqual(seen, { whole: 2, partly: 0 });
  await store.list(memberId, ALL, first.next, 20);
  t.true(seen.whole <= 2 + 21 + 1, 'those of its first millisecond are passed over');
  seen.whole = 0;
  t.is((await store.list(memberId, { ...ALL, command: 'none.such' }, undefined, 20)).jobs.length, 0);
  t.deepEqual(seen, { whole: 0, partly: 250 });
  t.is((await store.list(memberId, { ...ALL, state: 'queued' }, undefined, 3)).jobs.length, 3);
  t.is(seen.whole, 4);
});

test('a list whose caller has left is not read on, and one that waits for its turn not at all', async (t) => {
  const memberId = someMember();
  for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 50 }, () => issue(memberId)));
  const { seen, store } = reads();
  const left = new AbortController();
  const list = store.list(memberId, { ...ALL, command: 'none.such' }, undefined, 20, left.signal);
  left.abort();
  await t.throwsAsync(list, { instanceOf: MusubiError, code: 'CALLER_GONE' });
  t.is(seen.partly, 100, 'the first look was under way');
  const turns = new Turns(1);
  const held = Promise.withResolvers<void>();
  const before = turns.take(() => held.promise);
  const leaving = new AbortController();
  const page = { pageSize: 20, pageToken: '' };
  const waiting = listJobs({ store, turns }, memberId, ALL, page, leaving.signal);
  leaving.abort();
  await t.throwsAsync(waiting, { instanceOf: MusubiError, code: 'CALLER_GONE' });
  held.resolve();
  await before;
  t.deepEqual(seen, { whole: 0, partly: 100 });
});

test('the lists of one member do not keep those of others waiting', async (t) => {
  const [mallory, hana] = [someMember(), someMember()];
  for (const memberId of [mallory, hana])
    for (let i = 0; i < 6; i++) await Promise.all(Array.from({ length: 50 }, () => issue(memberId)));
  let over = 0;
  const asked = { state: JobState.JOB_STATE_UNSPECIFIED, command: 'none.such', pageSize: 0, pageToken: '' };
  const flood = Array.from({ length: 100 }, () =>
    one.peer.listJobs({ ...asked, memberId: mallory }).then(
      () => over++,
      () => over++,
    ),
  );
  t.is((await one.peer.listJobs({ ...asked, memberId: hana })).jobs.length, 0);
  t.true(over < 50, `${over} of 100 were over`);
  await Promise.all(flood);
});
