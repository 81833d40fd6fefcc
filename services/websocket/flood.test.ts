import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { unavailable } from '#platform/errors.ts';
import { TestClient } from './client.fixture.ts';
import { CLOSE, LIMITS } from './domain.ts';
import { atOnce } from './peers.fixture.ts';
import { openTestSockets, type TestSockets } from './socket.fixture.ts';

// One after the other, for they have Auth and Job answer slowly.
let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.afterEach.always(() => {
  sockets.before = atOnce();
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const jobTopics = (count: number): string[] => Array.from({ length: count }, () => `job:${randomUUID()}`);

/** Makes Auth or Job wait until it is let go on. */
function hold(peer: 'auth' | 'job'): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  sockets.before[peer] = () => promise;
  return resolve;
}

/** Far more than what the buffers of the two ends hold. */
const FLOOD = 300;
const large = JSON.stringify({ type: 'ping', x: 'x'.repeat(60_000) });

/** Sends large frames, each when the network took the one before, until it takes no more. @returns how many it took */
async function flood({ ws }: TestClient): Promise<number> {
  let taken = 0;
  const next = (): void => ws.send(large, () => ++taken < FLOOD && next());
  next();
  for (let before = -1; taken !== before; await sleep(500)) before = taken;
  return taken;
}

test.serial('who sends faster than its frames are handled must wait, and so must who has not authenticated', async (t) => {
  const { url } = await sockets.instance({ limits: { framesPerSecond: 10_000, authMs: 60_000 } });
  const cases = [
    ['job', await TestClient.open(url, sockets.token(member())), { type: 'subscribe', topics: jobTopics(1) }],
    ['auth', await TestClient.open(url), { type: 'auth', token: sockets.token(member()) }],
  ] as const;
  for (const [peer, client, first] of cases) {
    const release = hold(peer);
    client.send(first);
    const taken = await flood(client);
    t.log(`${peer}: ${taken} frames are in the buffers of the two ends`);
    t.true(taken < FLOOD, `${peer}: the process has taken in all that waits`);
    release();
    await client.count('error', peer === 'job' ? FLOOD + 1 : FLOOD);
    t.is(client.closed, undefined);
    client.drop();
  }
});

test.serial('what was sent at a good pace while the client was not read is no flood', async (t) => {
  const { url } = await sockets.instance({ limits: { framesPerSecond: 20 } });
  const client = await TestClient.open(url, sockets.token(member()));
  const release = hold('job');
  client.send({ type: 'subscribe', topics: jobTopics(1) });
  for (let i = 0; i < 45; i++) {
    client.send({ type: 'ping' });
    await sleep(60);
  }
  t.is(client.of('pong').length, 0);
  release();
  await client.until(() => client.closed !== undefined || client.of('pong').length === 45);
  t.is(client.closed, undefined);
});

test.serial('a client that is not read is not taken for dead', async (t) => {
  const { url } = await sockets.instance({ limits: { pingMs: 300 } });
  const token = sockets.token(member());
  const client = await TestClient.open(url, token);
  const release = hold('job');
  client.send({ type: 'subscribe', topics: jobTopics(1) });
  const asked = sockets.asked.get(token) ?? 0;
  await client.until(() => client.closed !== undefined || (sockets.asked.get(token) ?? 0) >= asked + 4);
  release();
  await client.until(() => client.closed !== undefined || client.of('subscribed').length === 1);
  t.is(client.closed, undefined);
});

test.serial('events do not wait behind a pending subscribe', async (t) => {
  const { url } = await sockets.instance();
  const me = member();
  const client = await TestClient.open(url, sockets.token(me));
  await client.subscribe([]);
  const release = hold('job');
  client.send({ type: 'subscribe', topics: jobTopics(3) });
  const job = sockets.job(me);
  await sockets.deliver(job);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [job.jobId]);
  t.is(client.of('subscribed').length, 1);
  release();
  await client.count('subscribed', 2);
});

test.serial('what was missed comes first, also when the first subscribe takes long', async (t) => {
  const { url } = await sockets.instance({ limits: { settleMs: 100 } });
  const me = member();
  const first = await TestClient.open(url, sockets.token(me));
  const cursor = await first.subscribe([]);
  first.drop();
  const [missed, live] = [sockets.job(me), sockets.job(me)];
  await sockets.deliver(missed);
  const release = hold('job');
  const client = await TestClient.open(url, sockets.token(me));
  client.send({ type: 'subscribe', topics: jobTopics(1), cursor });
  await sockets.deliver(live);
  await sleep(500);
  release();
  await client.count('job', 2);
  t.deepEqual(client.jobIds, [missed.jobId, live.jobId]);
});

test.serial('topics are asked about together, a few at a time; each costs, granted or not', async (t) => {
  const { url } = await sockets.instance({ limits: { topicsPerSocket: 25, topicsPerSecond: 25 } });
  const client = await TestClient.open(url, sockets.token(member()));
  sockets.jobsAsked = 0;
  const release = hold('job');
  const begun = performance.now();
  client.send({ type: 'subscribe', topics: jobTopics(25) });
  await client.until(() => sockets.jobsAsked >= 10);
  await sleep(200);
  t.is(sockets.jobsAsked, 10);
  release();
  for (let i = 1; i <= 3; i++) client.send({ type: 'subscribe', topics: jobTopics(25) });
  await client.count('subscribed', 4);
  t.is(sockets.jobsAsked, 100);
  t.is(client.of('error').length, 100);
  t.true(performance.now() - begun > 2_900, 'the first 25 at once, and then 25 a second');
});

test.serial('a client that said nothing while it was not read has not saved up for a flood', async (t) => {
  const { url } = await sockets.instance({ limits: { framesPerSecond: 20, stallMs: 500 } });
  const client = await TestClient.open(url, sockets.token(member()));
  const release = hold('job');
  client.send({ type: 'subscribe', topics: jobTopics(1) });
  await sleep(4_000);
  release();
  await client.count('subscribed', 1);
  for (let i = 0; i < 60; i++) client.send({ type: 'ping' });
  await client.until(() => client.closed !== undefined || client.of('pong').length === 60);
  t.is(client.closed?.code, CLOSE.tooMany);
});

test.serial('coming back brings no new allowance of topics; other members have their own', async (t) => {
  const limits = { topicsPerSocket: 20, topicsPerSecond: 10 };
  const { url } = await sockets.instance({ limits });
  const me = member();
  const timed = async (who: string): Promise<number> => {
    const client = await TestClient.open(url, sockets.token(who));
    const begun = performance.now();
    await client.subscribe(jobTopics(20));
    client.drop();
    return performance.now() - begun;
  };
  await timed(me);
  t.true((await timed(me)) > 1_000);
  t.true((await timed(member())) < 1_000);
});

test.serial('an allowance that is whole again is forgotten, and not before', async (t) => {
  const { hub } = await sockets.instance({ leaseMs: 300 });
  const limits = { ...LIMITS, topicsPerSocket: 10, topicsPerSecond: 10 };
  const allowance = hub.topicsOf('who', limits);
  allowance.spend(10);
  await sleep(400);
  t.is(hub.topicsOf('who', limits), allowance);
  await sleep(1_500);
  t.not(hub.topicsOf('who', limits), allowance);
});

test.serial('who leaves while its topics wait has nothing asked, and owes nothing for it', async (t) => {
  // Twenty at once, and one a minute: what is owed is not earned while the test runs.
  const limits = { topicsPerSocket: 20, topicsPerSecond: 1 / 60 };
  const { url, hub } = await sockets.instance({ limits });
  const me = member();
  const owes = (): boolean => hub.topicsOf(me, { ...LIMITS, ...limits }).spend(0) > 0;
  const client = await TestClient.open(url, sockets.token(me));
  await client.subscribe(jobTopics(20));
  sockets.jobsAsked = 0;
  client.send({ type: 'subscribe', topics: jobTopics(20) });
  await client.until(owes);
  client.drop();
  await client.until(() => !owes());
  t.is(sockets.jobsAsked, 0);
});

test.serial('who leaves while its topics are asked about has the rest not asked', async (t) => {
  const { url } = await sockets.instance();
  const me = member();
  const client = await TestClient.open(url, sockets.token(me));
  sockets.jobsAsked = 0;
  const release = hold('job');
  client.send({ type: 'subscribe', topics: jobTopics(100) });
  await client.until(() => sockets.jobsAsked === 10);
  client.drop();
  await sleep(300);
  await client.until(async () => (await sockets.registered(me)) === 0);
  release();
  await sleep(500);
  t.is(sockets.jobsAsked, 10);
});

test.serial('a server that is away is not asked about every topic', async (t) => {
  const { url } = await sockets.instance();
  const client = await TestClient.open(url, sockets.token(member()));
  sockets.jobsAsked = 0;
  sockets.before.job = async () => {
    throw unavailable('STORE_UNAVAILABLE', 'the store is away');
  };
  const topics = jobTopics(100);
  t.truthy(await client.subscribe(topics));
  t.true(sockets.jobsAsked < 40, `asked ${sockets.jobsAsked} times`);
  t.deepEqual(
    client.of('error').map(({ topic, code }) => [topic, code]),
    topics.map((topic) => [topic, 'STORE_UNAVAILABLE']),
  );
});

test.serial('of too many sockets that have not authenticated the oldest gives way; those that have do not count', async (t) => {
  const { url } = await sockets.instance({ limits: { unauthenticatedSockets: 3, authMs: 60_000, goodbyeMs: 60_000 } });
  const known = await Promise.all(Array.from({ length: 4 }, () => TestClient.open(url, sockets.token(member()))));
  const [a, b, c] = [await TestClient.open(url), await TestClient.open(url), await TestClient.open(url)];
  const d = await TestClient.open(url);
  t.is(await a.closeCode(), CLOSE.tryAgainLater);
  b.send({ type: 'auth', token: sockets.token(member()) });
  await b.subscribe([]);
  // Refused, and never says goodbye: it is there, too.
  const refused = await TestClient.open(url);
  refused.send({ type: 'auth', token: 'wrong' });
  refused.ws.pause();
  await refused.until(() => sockets.asked.has('wrong'));
  await known[0]?.subscribe([]);
  t.deepEqual([c.closed, d.closed], [undefined, undefined]);
  const e = await TestClient.open(url);
  t.is(await c.closeCode(), CLOSE.tryAgainLater);
  t.deepEqual(
    [...known, b, d, e].map(({ closed }) => closed),
    Array(7).fill(undefined),
  );
});

test.serial('a stop closes sockets that have not authenticated with 1001, too', async (t) => {
  const { url, lifecycle } = await sockets.instance();
  const client = await TestClient.open(url);
  await lifecycle.stop('test');
  t.is(await client.closeCode(), CLOSE.goingAway);
});
