import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { TestClient } from './client.fixture.ts';
import { compareCursors } from './domain.ts';
import { KEPT, openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
  two = await sockets.instance();
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
const inOrder = (client: TestClient): boolean =>
  client.of('job').every(({ cursor = '' }, i, all) => i === 0 || compareCursors(all[i - 1]?.cursor ?? '', cursor) < 0);

test('a new socket without a cursor starts now', async (t) => {
  const me = member();
  await sockets.deliver(sockets.job(me));
  const client = await connect(me);
  const cursor = await client.subscribe(['member:me']);
  const job = sockets.job(me);
  await sockets.deliver(job);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [job.jobId]);
  t.true(compareCursors(cursor, client.cursor) < 0);
});

test('of many events that wait for a socket to begin it gets all, though nothing wakes it again', async (t) => {
  const me = member();
  const client = await connect(me, await sockets.instance({ limits: { settleMs: 1_500 } }));
  const jobs = Array.from({ length: 150 }, () => sockets.job(me));
  await sockets.deliver(...jobs);
  await client.count('job', 150);
  t.deepEqual(
    client.jobIds,
    jobs.map(({ jobId }) => jobId),
  );
});

test('a socket that never subscribes gets its events after a moment', async (t) => {
  const me = member();
  const client = await connect(me);
  const job = sockets.job(me);
  await sockets.deliver(job);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [job.jobId]);
});

test('an event that comes again, or is older than one that came, is not delivered again', async (t) => {
  const me = member();
  const client = await connect(me);
  await client.subscribe([]);
  const job = sockets.job(me);
  const applied = { ...job, state: JobState.JOB_STATE_APPLIED, version: 2 };
  await sockets.deliver(applied, applied);
  await sockets.deliver(job, applied);
  await sockets.deliver(job, job);
  await client.count('job', 2);
  await sleep(200);
  t.deepEqual(
    client.of('job').map((frame) => frame.job.state),
    ['applied', 'completed'],
  );
});

test('who comes back with a cursor, however often and wherever, gets everything in order and once', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ events: fc.nat(12), missed: fc.nat(12), elsewhere: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      async (visits) => {
        const me = member();
        const sent: string[] = [];
        const got: string[] = [];
        const emit = async (count: number): Promise<void> => {
          for (let i = 0; i < count; i++) {
            const job = sockets.job(me);
            sent.push(job.jobId);
            await sockets.deliver(job);
          }
        };
        let cursor: string | undefined;
        for (const { events, missed, elsewhere } of visits) {
          const client = await connect(me, elsewhere ? two : one);
          // Events flow while it resumes, and while it drops.
          const flowing = emit(cursor === undefined ? 0 : events);
          const start = await client.subscribe(['member:me'], cursor);
          if (cursor !== undefined) t.is(start, cursor);
          await Promise.all([flowing, emit(events)]);
          client.drop();
          t.true(inOrder(client));
          got.push(...client.jobIds);
          cursor = client.cursor;
          await emit(missed);
        }
        const last = await connect(me, two);
        await last.subscribe([], cursor);
        await last.until(() => got.length + last.jobIds.length >= sent.length);
        t.deepEqual([...got, ...last.jobIds], sent);
        last.drop();
      },
    ),
    { numRuns: 12 },
  );
});

test('a late subscribe with a cursor brings what was missed, and nothing twice', async (t) => {
  const me = member();
  const first = await connect(me);
  const cursor = await first.subscribe([]);
  first.drop();
  const missed = [sockets.job(me), sockets.job(me)];
  await sockets.deliver(...missed);
  const client = await connect(me);
  await sleep(500);
  const live = sockets.job(me);
  await sockets.deliver(live);
  await client.count('job', 1);
  await client.subscribe([], cursor);
  await client.count('job', 3);
  await client.subscribe([], cursor);
  await sleep(200);
  t.deepEqual(
    client.jobIds,
    [live, ...missed].map(({ jobId }) => jobId),
  );
});

test('a cursor from after the socket was opened: what came with it does not come again', async (t) => {
  const me = member();
  const patient = await sockets.instance({ limits: { settleMs: 60_000 } });
  const old = await connect(me);
  await old.subscribe([]);
  const client = await connect(me, patient);
  const seen = sockets.job(me);
  await sockets.deliver(seen);
  await old.count('job', 1);
  const { cursor } = old;
  t.is(await client.subscribe([], cursor), cursor);
  const next = sockets.job(me);
  await sockets.deliver(next);
  await client.until(() => client.jobIds.includes(next.jobId));
  t.deepEqual(client.jobIds, [next.jobId]);
  // An older one brings what this socket has not been given, once.
  await client.subscribe([], `${Number(cursor.split('-')[0]) - 1}-0`);
  await client.count('job', 2);
  t.deepEqual(client.jobIds, [next.jobId, seen.jobId]);
});

test('whenever it drops, a client that keeps the last cursor it was given loses nothing', async (t) => {
  const me = member();
  const first = await connect(me);
  let cursor = await first.subscribe([]);
  first.drop();
  const missed = [sockets.job(me), sockets.job(me)];
  await sockets.deliver(...missed);

  // It is slow: what is new comes before its subscribe, and it drops before the answer to that.
  const slow = await connect(me);
  const live = sockets.job(me);
  await sockets.deliver(live);
  await slow.until(() => slow.jobIds.includes(live.jobId));
  t.true(slow.of('job').every((frame) => frame.cursor === undefined));
  slow.send({ type: 'subscribe', topics: [] });
  slow.drop();
  cursor = slow.cursor || cursor;

  const back = await connect(me, two);
  await back.subscribe([], cursor);
  await back.count('job', 3);
  t.deepEqual(
    back.jobIds,
    [...missed, live].map(({ jobId }) => jobId),
  );
  t.true(inOrder(back));
});

test('from its first subscribe on, every frame has a cursor', async (t) => {
  const me = member();
  const client = await connect(me);
  await sockets.deliver(sockets.job(me));
  await client.count('job', 1);
  const start = await client.subscribe([]);
  await sockets.deliver(sockets.job(me));
  const [before, after] = await client.count('job', 2);
  t.is(before?.cursor, undefined);
  t.true(compareCursors(start, after?.cursor ?? '0-0') < 0);
});

test('a cursor that is too old, or of a server that lost its data, gets a reset, and then what is new', async (t) => {
  const me = member();
  const first = await connect(me);
  const cursor = await first.subscribe([]);
  first.drop();
  for (let i = 0; i < KEPT.events + 1; i++) await sockets.deliver(sockets.job(me));
  const old = `${Date.now() - KEPT.ms - 10_000}-0`;
  const future = `${Date.now() + 600_000}-0`;
  for (const [who, lost] of [
    [me, cursor],
    [member(), old],
    [member(), future],
  ] as const) {
    const client = await connect(who, two);
    const start = await client.subscribe(['member:me'], lost);
    t.deepEqual(
      client.frames.map(({ type }) => type),
      ['reset', 'subscribed'],
    );
    t.is(client.of('reset')[0]?.topic, 'member:me');
    t.not(start, lost);
    const job = sockets.job(who);
    await sockets.deliver(job);
    await client.count('job', 1);
    t.deepEqual(client.jobIds, [job.jobId]);
    client.drop();
  }
});

test('exactly as many events as are kept can be missed', async (t) => {
  const me = member();
  const first = await connect(me);
  const seen = sockets.job(me);
  await first.subscribe([]);
  await sockets.deliver(seen);
  await first.count('job', 1);
  first.drop();
  const missed = Array.from({ length: KEPT.events - 1 }, () => sockets.job(me));
  await sockets.deliver(...missed);
  const client = await connect(me);
  await client.subscribe([], first.cursor);
  await client.count('job', missed.length);
  t.deepEqual(
    client.jobIds,
    missed.map(({ jobId }) => jobId),
  );
  t.is(client.of('reset').length, 0);
});
