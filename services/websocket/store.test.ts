import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Feed } from './feed.ts';
import { KEPT, openTestSockets, type TestSockets } from './socket.fixture.ts';
import type { Entry } from './store.ts';

let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const deliverTo = async (me: string, count: number): Promise<Entry[]> => {
  await sockets.deliver(...Array.from({ length: count }, () => sockets.job(me)));
  return sockets.store.read(me, '0-0', KEPT.events);
};
const ttl = (key: string): Promise<number> => sockets.redis.pttl(`${sockets.prefix}ws:${key}`);
const near = (ms: number, wanted: number): boolean => ms > wanted - 10_000 && ms <= wanted;

test('who had the oldest event that is kept can go on from it, and from none before', async (t) => {
  const me = member();
  const [dropped, oldest] = await deliverTo(me, KEPT.events);
  await deliverTo(me, 1);
  t.false(await sockets.store.resumable(me, dropped?.cursor ?? ''));
  t.true(await sockets.store.resumable(me, oldest?.cursor ?? ''));
});

test('of events that have begun, what was before can have been no older than they are kept', async (t) => {
  const me = member();
  const [first] = await deliverTo(me, 1);
  const began = Number(first?.cursor.split('-')[0]);
  t.true(await sockets.store.resumable(me, `${began - KEPT.ms}-0`));
  t.false(await sockets.store.resumable(me, `${began - KEPT.ms - 1}-0`));
});

test('nothing that is kept for those who come back is kept for ever', async (t) => {
  const [owner, reader] = [member(), member()];
  const job = sockets.job(owner);
  await sockets.store.subscribe(job.jobId, reader, 30_000);
  await sockets.deliver(job);
  for (const key of [`seen:${job.jobId}`, `events:${owner}`, `events:${reader}`]) t.true(near(await ttl(key), KEPT.ms), key);
  t.true(near(await ttl(`job:${job.jobId}`), 30_000));
});

test('a later, shorter registration or subscription takes nothing from the longer ones', async (t) => {
  const me = member();
  await sockets.store.renew('here', 60_000);
  await sockets.store.register(me, 'long', 'here', 60_000, 9);
  await sockets.store.register(me, 'short', 'here', 1_000, 9);
  t.true(near(await ttl(`sockets:${me}`), 60_000));
  await sockets.store.subscribe('job', 'long', 60_000);
  await sockets.store.subscribe('job', 'short', 1_000);
  t.true(near(await ttl('job:job'), 60_000));
});

test('what has run out counts no more, though others of its kind go on', async (t) => {
  const [owner, reader, me] = [member(), member(), member()];
  const job = sockets.job(owner);
  await sockets.store.subscribe(job.jobId, reader, 1);
  await sockets.store.subscribe(job.jobId, member(), 60_000);
  await sockets.store.renew('there', 60_000);
  await sockets.store.register(me, 'closed', 'there', 1, 1);
  await sleep(20);
  await sockets.deliver(job);
  t.deepEqual(await sockets.store.read(reader, '0-0', 9), []);
  t.is(await sockets.redis.hlen(`${sockets.prefix}ws:job:${job.jobId}`), 1);
  t.truthy(await sockets.store.register(me, 'next', 'there', 60_000, 1));
});

test('an owner that subscribed to its own job has each event once', async (t) => {
  const me = member();
  const job = sockets.job(me);
  await sockets.store.subscribe(job.jobId, me, 60_000);
  await sockets.deliver(job);
  t.is((await sockets.store.read(me, '0-0', 9)).length, 1);
});

test('an event within the millisecond of a registration comes after it', async (t) => {
  await sockets.store.renew('everywhere', 60_000);
  for (let i = 0; i < 300; i++) {
    const me = member();
    // On one connection: Redis does one right after the other.
    const registered = sockets.store.register(me, 's', 'everywhere', 60_000, 1);
    const delivered = sockets.deliver(sockets.job(me));
    const cursor = (await registered) ?? '';
    await delivered;
    t.is((await sockets.store.read(me, cursor, 9)).length, 1);
  }
});

test('a feed that begins after its position says so before it has come there', async (t) => {
  const me = member();
  const got: string[] = [];
  const feed = new Feed(sockets.store, me, '0-0', async ({ cursor }) => void got.push(cursor));
  const [, second, third] = (await deliverTo(me, 3)).map(({ cursor }) => cursor);
  feed.startAfter(new Map([['member:me', second ?? '']]));
  t.is(feed.cursorOf('member:me'), second ?? '');
  t.false(await feed.pump());
  t.deepEqual(got, [third ?? '']);
  t.is(feed.cursorOf('member:me'), third ?? '');
});
