import { setTimeout as sleep } from 'node:timers/promises';
import { context } from '@opentelemetry/api';
import test from 'ava';
import type { OutboxEvent } from '#platform/outbox/event.ts';
import { contextFrom, startTelemetry } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { Job } from '#proto/musubi/job/v1/job.ts';
import { loginEvent } from '../auth/events.ts';
import { TestClient } from './client.fixture.ts';
import type { Connected } from './hub.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL, kafka: process.env.MUSUBI_KAFKA_BROKERS });
  // No regular checks of sessions: what is closed here is closed because of an event.
  const limits = { pingMs: 3_600_000 };
  one = await sockets.instance({ kafka: true, limits });
  two = await sockets.instance({ kafka: true, limits });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));

test.serial('an event on Kafka reaches every socket of its member on every instance, and nobody else', async (t) => {
  const me = member();
  const [a, b, c, stranger] = [
    await connect(me, one),
    await connect(me, one),
    await connect(me, two),
    await connect(member(), two),
  ];
  for (const client of [a, b, c, stranger]) await client.subscribe(['member:me']);
  const jobs = Array.from({ length: 20 }, () => sockets.job(me));
  for (const job of jobs) await sockets.publish(job);
  const ids = jobs.map(({ jobId }) => jobId).sort();
  for (const client of [a, b, c]) {
    await client.count('job', 20);
    t.deepEqual([...client.jobIds].sort(), ids);
  }
  t.deepEqual(a.jobIds, c.jobIds, 'every socket sees the same order');
  t.deepEqual(stranger.jobIds, []);
});

test.serial('the sockets of a session that ended are closed at once on every instance, and no others', async (t) => {
  const me = member();
  const ended = sockets.token(me);
  const [a, b] = [await TestClient.open(one.url, ended), await TestClient.open(two.url, ended)];
  const [other, stranger] = [await connect(me, two), await connect(member(), two)];
  sockets.revoked.add(ended);
  await sockets.publishEvents(loginEvent('auth.session-ended', { _id: me, status: 'active', version: 2 }));
  t.deepEqual(await Promise.all([a.closeCode(), b.closeCode()]), [4403, 4403]);
  await other.until(async () => (await sockets.registered(me)) === 1);
  await sleep(200);
  t.deepEqual([other.closed, stranger.closed], [undefined, undefined]);
});

test.serial(
  'a session that ended while its event was lost: what retell publishes of the login closes its sockets, and no others',
  async (t) => {
    const me = member();
    const ended = sockets.token(me);
    const stale = await TestClient.open(one.url, ended);
    const other = await connect(me, two);
    sockets.revoked.add(ended);
    // An event of somebody else closes nobody.
    await sockets.publishEvents(loginEvent('auth.login-told', { _id: member(), status: 'active', version: 2 }));
    await sleep(200);
    t.is(stale.closed, undefined);
    await sockets.publishEvents(loginEvent('auth.login-told', { _id: me, status: 'active', version: 1 }));
    t.is(await stale.closeCode(), 4403);
    await other.until(async () => (await sockets.registered(me)) === 1);
    await sleep(200);
    t.is(other.closed, undefined);
  },
);

test.serial('from Kafka to the socket it is milliseconds', async (t) => {
  const me = member();
  const client = await connect(me, one);
  await client.subscribe([]);
  const late: number[] = [];
  for (let i = 0; i < 100; i++) {
    await sockets.publish(sockets.job(me));
    const acknowledged = performance.now();
    await client.count('job', i + 1);
    late.push(performance.now() - acknowledged);
    await sleep(5);
  }
  t.is(client.jobIds.length, 100);
  late.sort((a, b) => a - b);
  t.log(`after the broker's acknowledgement: p50 ${late[50]?.toFixed(2)} ms, p95 ${late[95]?.toFixed(2)} ms`);
});

test.serial('the trace of the change goes on to the push', async (t) => {
  const telemetry = startTelemetry('test', {});
  const me = member();
  const client = await connect(me);
  await client.subscribe([]);
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  await context.with(contextFrom(`00-${traceId}-b7ad6b7169203331-01`), () => sockets.publish(sockets.job(me)));
  await client.count('job', 1);
  const [entry] = await sockets.entries(me);
  t.is(entry?.traceparent.split('-')[1], traceId);
  await telemetry.stop();
});

test.serial('a message that is no job event is parked, and those behind it are delivered', async (t) => {
  const me = member();
  const client = await connect(me);
  await client.subscribe([]);
  const poison = { ...sockets.job(me), resultJson: 'not json' };
  await sockets.publish(poison, sockets.job(me), sockets.job(me));
  await client.count('job', 2);
  t.false(client.jobIds.includes(poison.jobId));
  // It may be in another partition than those.
  await client.until(async () => (await sockets.parked()) === 1);
});

test.serial(
  'a state of a newer Job is delivered as unknown; events of newer types are passed over; neither is parked',
  async (t) => {
    const parked = await sockets.parked();
    const me = member();
    const token = sockets.token(me);
    const client = await TestClient.open(one.url, token);
    await client.subscribe([]);
    const asked = sockets.asked.get(token) ?? 0;
    const job = sockets.job(me);
    const event = (type: string, version: number, state: string, more = {}): OutboxEvent => {
      const payload = { job: { ...(Job.toJSON(job) as object), state, ...more } };
      return { aggregateType: 'job', aggregateId: job.jobId, version, type, payload };
    };
    const login = { aggregateType: 'auth', aggregateId: me, version: 1, type: 'auth.login-frozen', payload: 'of another shape' };
    // One key, so that each is handled before the next.
    await sockets.publishEvents(
      event('job.paused', 3, 'JOB_STATE_PAUSED'),
      event('job.paused', 4, 'JOB_STATE_PAUSED', { resultJson: 'of another shape' }),
      event('job.applied', 5, 'JOB_STATE_PAUSED'),
      event('job.completed', 6, 'JOB_STATE_COMPLETED'),
      login,
      loginEvent('auth.session-ended', { _id: me, status: 'active', version: 2 }),
    );
    await client.count('job', 2);
    t.deepEqual(
      client.of('job').map((frame) => frame.job.state),
      ['unknown', 'completed'],
    );
    await client.until(() => (sockets.asked.get(token) ?? 0) > asked);
    t.is(await sockets.parked(), parked);
  },
);

test.serial('a graceful stop closes sockets with 1001 and leaves nothing behind', async (t) => {
  const me = member();
  const stopping = await sockets.instance();
  const client = await connect(me, stopping);
  const cursor = await client.subscribe([]);
  t.is(await sockets.registered(me), 1);
  await stopping.lifecycle.stop('test');
  t.is(await sockets.registered(me), 0, 'the client has answered, and the stop waited for that');
  t.is(await client.closeCode(), 1001);
  t.is(await sockets.redis.exists(`${sockets.prefix}ws:instance:${stopping.hub.instance}`), 0);
  const job = sockets.job(me);
  await sockets.publish(job);
  const again = await connect(me, two);
  await again.subscribe([], cursor);
  await again.count('job', 1);
  t.deepEqual(again.jobIds, [job.jobId]);
});

test.serial('an instance that says nothing is believed in for fifteen seconds at most', async (t) => {
  const left = await sockets.redis.pttl(`${sockets.prefix}ws:instance:${one.hub.instance}`);
  t.true(left > 0 && left <= 15_000, `${left} ms`);
});

test.serial('an instance is believed in again long before that ends', async (t) => {
  const { hub } = await sockets.instance({ leaseMs: 6_000 });
  const left = (): Promise<number> => sockets.redis.pttl(`${sockets.prefix}ws:instance:${hub.instance}`);
  let lowest = await left();
  for (let now = lowest; now <= lowest; now = await left()) {
    lowest = now;
    await sleep(50);
  }
  t.true(lowest > 1_000, `it had ${lowest} ms left`);
});

test.serial('the sockets of an instance that died are forgotten when its lease ends', async (t) => {
  const me = member();
  const key = `${sockets.prefix}ws:sockets:${me}`;
  // What a killed process leaves behind: sockets, and a lease that nobody renews.
  await sockets.store.renew('dead', 60_000);
  for (const socket of ['a', 'b'])
    await sockets.store.register({ memberId: me, socketId: socket, instance: 'dead', closings: 0 }, 60_000, 3);
  t.is(
    await sockets.store.register({ memberId: me, socketId: 'c', instance: 'dead', closings: 0 }, 60_000, 2),
    'too many',
    'they count while it may live',
  );
  const client = await connect(me, two);
  await client.subscribe([]);
  const lease = `${sockets.prefix}ws:instance:dead`;
  t.true((await sockets.redis.pttl(lease)) > 0, 'which ends by itself');
  await sockets.redis.del(lease);
  await sockets.deliver(sockets.job(me));
  await client.count('job', 1);
  t.is(await sockets.redis.hlen(key), 1, 'cleared in passing');
  t.not(
    await sockets.store.register({ memberId: me, socketId: 'd', instance: two.hub.instance, closings: 0 }, 60_000, 2),
    'too many',
    'and there is room again',
  );
});

test.serial('an instance whose lease was lost registers its sockets and subscriptions again and misses nothing', async (t) => {
  const me = member();
  sockets.readers.add(me);
  const paused = await sockets.instance({ leaseMs: 600 });
  const client = await connect(me, paused);
  const watched = sockets.job(member());
  await client.subscribe([`job:${watched.jobId}`]);
  // Redis lost its data, or the process stood still: others forgot the sockets.
  const subscribed = `ws:job:${watched.jobId}`;
  const lost = [`ws:instance:${paused.hub.instance}`, `ws:sockets:${me}`, subscribed];
  await sockets.redis.del(lost.map((key) => sockets.prefix + key));
  const job = sockets.job(me);
  await sockets.deliver(job);
  await client.count('job', 1);
  t.is(await sockets.registered(me), 1);
  await client.until(async () => (await sockets.redis.exists(sockets.prefix + subscribed)) === 1);
  await sockets.deliver(watched);
  await client.count('job', 2);
  t.deepEqual(client.jobIds, [job.jobId, watched.jobId]);
  await paused.lifecycle.stop('test');
});

test.serial('a socket that could not be registered again after a lapse is tried on', async (t) => {
  const me = member();
  // Long enough that it does not lapse once more when this process stands still for a moment.
  const instance = await sockets.instance({ leaseMs: 3_000 });
  const client = await connect(me, instance);
  await client.subscribe([]);
  let refusals = 0;
  const gone = Promise.withResolvers<void>();
  const unlucky: Connected = {
    memberId: member(),
    wake: () => undefined,
    recheck: () => undefined,
    readmit: async () => {
      if (++refusals <= 2) throw new Error('Redis is away again');
    },
    close: () => gone.resolve(),
    cut: () => gone.resolve(),
    gone: gone.promise,
  };
  instance.hub.add(unlucky);
  await sockets.redis.del(`${sockets.prefix}ws:instance:${instance.hub.instance}`, `${sockets.prefix}ws:sockets:${me}`);
  await until(() => refusals >= 3);
  t.is(await sockets.registered(me), 1, 'the others are registered meanwhile');
  await sleep(1_500);
  t.is(refusals, 3, 'and no more once all are');
  instance.hub.remove(unlucky);
  await instance.lifecycle.stop('test');
});
