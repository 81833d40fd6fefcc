import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { ANSWER_HOLDS_MS } from './domain.ts';
import { Feed } from './feed.ts';
import { KEPT, openTestSockets, type TestSockets } from './socket.fixture.ts';
import type { SocketName, SocketStore } from './store.ts';

let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const deliverTo = async (me: string, count: number): Promise<{ cursor: string }[]> => {
  await sockets.deliver(...Array.from({ length: count }, () => sockets.job(me)));
  return sockets.entries(me);
};
/** A socket of the member's, which may read. */
const registered = async (memberId: string): Promise<SocketName> => {
  const socket = { memberId, socketId: 'reader' };
  await sockets.store.renew('here', 60_000);
  await sockets.store.register({ ...socket, instance: 'here', closings: 0 }, 60_000, 1);
  return socket;
};
const ttl = (key: string): Promise<number> => sockets.redis.pttl(`${sockets.prefix}ws:${key}`);
const near = (ms: number, wanted: number): boolean => ms > wanted - 10_000 && ms <= wanted;

test('who had the oldest event that is kept can go on from it, and from none before', async (t) => {
  const me = member();
  const [dropped, oldest] = await deliverTo(me, KEPT.events);
  await deliverTo(me, 1);
  const isResumable = await sockets.store.resumable(me);
  t.false(isResumable(dropped?.cursor ?? ''));
  t.true(isResumable(oldest?.cursor ?? ''));
});

test('of events that have begun, what was before can have been no older than they are kept', async (t) => {
  const me = member();
  const [first] = await deliverTo(me, 1);
  const began = Number(first?.cursor.split('-')[0]);
  const isResumable = await sockets.store.resumable(me);
  t.true(isResumable(`${began - KEPT.ms}-0`));
  t.false(isResumable(`${began - KEPT.ms - 1}-0`));
});

test('nothing that is kept for those who come back is kept for ever', async (t) => {
  const [owner, reader] = [member(), member()];
  const job = sockets.job(owner);
  await sockets.store.subscribe({ jobIds: [job.jobId] }, reader, 30_000);
  await sockets.deliver(job);
  for (const key of [`seen:${job.jobId}`, `events:${owner}`, `events:${reader}`]) t.true(near(await ttl(key), KEPT.ms), key);
  t.true(near(await ttl(`job:${job.jobId}`), 30_000));
});

test('who follows a group no more is found no more, and forgotten, though others go on following it', async (t) => {
  const [gone, here, later] = [member(), member(), member()];
  const { store, redis, prefix } = sockets;
  const groupIds = ['followed by many'];
  const follows = (memberId: string, forMs: number) => store.subscribe({ groupIds }, memberId, forMs);
  await follows(here, 60_000);
  await follows(gone, 1);
  await until(async () => !(await store.followersOf(groupIds)).includes(gone), 'it is followed no more');
  t.deepEqual(await store.followersOf(groupIds), [here]);
  await follows(later, 1_000);
  t.deepEqual((await redis.zrange(`${prefix}ws:group:${groupIds}`, '0', '-1')).toSorted(), [here, later].toSorted());
  t.true(near(await ttl(`group:${groupIds}`), 60_000));
});

test('a later, shorter registration or subscription takes nothing from the longer ones', async (t) => {
  const me = member();
  await sockets.store.renew('here', 60_000);
  await sockets.store.register({ memberId: me, socketId: 'long', instance: 'here', closings: 0 }, 60_000, 9);
  await sockets.store.register({ memberId: me, socketId: 'short', instance: 'here', closings: 0 }, 1_000, 9);
  t.true(near(await ttl(`sockets:${me}`), 60_000));
  await sockets.store.subscribe({ jobIds: ['job'] }, 'long', 60_000);
  await sockets.store.subscribe({ jobIds: ['job'] }, 'short', 1_000);
  t.true(near(await ttl('job:job'), 60_000));
});

test('what has run out counts no more, though others of its kind go on', async (t) => {
  const [owner, reader, me] = [member(), member(), member()];
  const job = sockets.job(owner);
  await sockets.store.subscribe({ jobIds: [job.jobId] }, member(), 60_000);
  await sockets.store.subscribe({ jobIds: [job.jobId] }, reader, 1);
  await sockets.store.renew('there', 60_000);
  await sockets.store.register({ memberId: me, socketId: 'open', instance: 'there', closings: 0 }, 60_000, 2);
  await sockets.store.register({ memberId: me, socketId: 'closed', instance: 'there', closings: 0 }, 1, 2);
  await sleep(20);
  await sockets.deliver(job);
  t.deepEqual(await sockets.entries(reader), []);
  t.is(await sockets.redis.hlen(`${sockets.prefix}ws:job:${job.jobId}`), 1);
  t.not(await sockets.store.register({ memberId: me, socketId: 'next', instance: 'there', closings: 0 }, 60_000, 2), 'too many');
});

test('an owner that subscribed to its own job has each event once', async (t) => {
  const me = member();
  const job = sockets.job(me);
  await sockets.store.subscribe({ jobIds: [job.jobId] }, me, 60_000);
  await sockets.deliver(job);
  t.is((await sockets.entries(me)).length, 1);
});

test('an event that is older than what is kept is passed over; of any other it is known for as long that it came', async (t) => {
  const [me, now] = [member(), Date.now()];
  const event = (time: number) => ({ jobId: `of ${me}`, version: 1, memberId: me, job: '{}', traceparent: '', time });
  // A group that has lost its offsets begins with the oldest events of Kafka, which keeps them longer.
  await sockets.store.deliver([event(now - KEPT.ms - 1_000)]);
  t.deepEqual(await sockets.redis.keys(`${sockets.prefix}ws:*${me}`), []);
  await sockets.store.deliver([event(now - KEPT.ms + 10_000)]);
  t.is((await sockets.entries(me)).length, 1);
  await sockets.redis.del(`${sockets.prefix}ws:seen:of ${me}`);
  // Of a store whose clock is ahead.
  await sockets.store.deliver([event(now + 30_000)]);
  t.true(near(await ttl(`seen:of ${me}`), KEPT.ms + 30_000));
});

test('a feed reads what a topic has missed once, and nothing that none has', async (t) => {
  const me = member();
  const [first, second, third] = (await deliverTo(me, 3)).map(({ cursor }) => cursor);
  const read: [after: string, last: string | undefined][] = [];
  const store: SocketStore = {
    ...sockets.store,
    read: (who, after, limit, last) => {
      read.push([after, last]);
      return sockets.store.read(who, after, limit, last);
    },
  };
  const got: string[] = [];
  const feed = new Feed(store, await registered(me), third ?? '', async ({ cursor }) => void got.push(cursor));
  feed.add('job:quiet', { jobId: 'quiet', ownerId: 'other' });
  let paid = 0;
  const replay = (cursors: Record<string, string | undefined>) =>
    feed.replay(new Map(Object.entries(cursors).map(([topic, cursor]) => [topic, cursor ?? ''])), async () => ++paid > 0);
  await replay({ 'member:me': second });
  await replay({ 'member:me': second });
  await replay({ 'member:me': third });
  await replay({ 'member:me': first, 'job:quiet': third });
  t.deepEqual(got, [third, second]);
  t.deepEqual(read, [
    [second, third],
    [first, second],
  ]);
  t.is(paid, 2);
});

test('an event within the millisecond of a registration comes after it', async (t) => {
  await sockets.store.renew('everywhere', 60_000);
  for (let i = 0; i < 300; i++) {
    const me = member();
    // On one connection: Redis does one right after the other.
    const registered = sockets.store.register({ memberId: me, socketId: 's', instance: 'everywhere', closings: 0 }, 60_000, 1);
    const delivered = sockets.deliver(sockets.job(me));
    const answer = await registered;
    const cursor = typeof answer === 'object' ? answer.now : '';
    await delivered;
    t.is((await sockets.entries(me, cursor)).length, 1);
  }
});

test('a feed that begins after its position says so before it has come there', async (t) => {
  const me = member();
  const got: string[] = [];
  const feed = new Feed(sockets.store, await registered(me), '0-0', async ({ cursor }) => void got.push(cursor));
  const [, second, third] = (await deliverTo(me, 3)).map(({ cursor }) => cursor);
  feed.startAfter(new Map([['member:me', second ?? '']]));
  t.is(feed.cursorOf('member:me'), second ?? '');
  t.false(await feed.pump());
  t.deepEqual(got, [third ?? '']);
  t.is(feed.cursorOf('member:me'), third ?? '');
});

test('events that were read a while ago are not handed over to a socket that was cut off since', async (t) => {
  const me = member();
  const socket = await registered(me);
  await deliverTo(me, 3);
  const slow = (got: string[]) => async (entry: { cursor: string }) => {
    got.push(entry.cursor);
    await sockets.store.unregister(socket);
    await sleep(ANSWER_HOLDS_MS + 100);
  };
  const [fresh, missed]: [string[], string[]] = [[], []];
  const feed = new Feed(sockets.store, socket, '0-1', slow(fresh));
  t.true(await feed.pump(), 'there is more');
  await t.throwsAsync(feed.pump(), { code: 'STORE_UNAVAILABLE' });
  t.is(fresh.length, 1);

  await registered(me);
  const later = new Feed(sockets.store, socket, (await sockets.entries(me)).at(-1)?.cursor ?? '', slow(missed));
  await t.throwsAsync(
    later.replay(new Map([['member:me', '0-1']]), async () => true),
    { code: 'STORE_UNAVAILABLE' },
  );
  t.is(missed.length, 1);
});
