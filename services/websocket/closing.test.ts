import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { unauthenticated } from '#platform/errors.ts';
import { vouch } from './admission.ts';
import { TestClient } from './client.fixture.ts';
import type { Peers } from './identity.ts';
import { atOnce } from './peers.fixture.ts';
import { KEPT, openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';
import { closeSockets } from './steps/close-sockets.ts';

// When CloseSockets has answered, a member whose sessions have ended has no socket, and gets nothing by any that is left.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  // No regular checks of sessions: what is closed here is closed because it was asked for.
  const limits = { pingMs: 3_600_000 };
  one = await sockets.instance({ limits });
  two = await sockets.instance({ limits });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const connect = (me: string, at: TestInstance): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
const close = (me: string) => closeSockets(sockets.store, me);
const endSessions = (me: string): void => {
  for (const [token, { memberId }] of sockets.tokens) if (memberId === me) sockets.revoked.add(token);
};
const socketsKey = (me: string): string => `${sockets.prefix}ws:sockets:${me}`;

test.serial('the sockets of the member are closed on every instance before the answer, and no others', async (t) => {
  const me = member();
  const mine = [await connect(me, one), await connect(me, one), await connect(me, two)];
  const other = await connect(member(), two);
  endSessions(me);
  await close(me);
  t.is(await sockets.registered(me), 0);
  t.deepEqual(await Promise.all(mine.map((client) => client.closeCode())), [4403, 4403, 4403]);
  t.is(other.closed, undefined);
  await t.notThrowsAsync(close(me), 'who has none left has none');
});

test.serial('one asking reaches every instance', async (t) => {
  const me = member();
  const mine = [await connect(me, one), await connect(me, two)];
  endSessions(me);
  const closing = await sockets.store.close(me);
  t.deepEqual(await Promise.all(mine.map((client) => client.closeCode())), [4403, 4403]);
  await mine[0]?.until(async () => (await sockets.store.unvouched(me, closing)) === 0);
});

test.serial('an instance that has not heard it is asked again', async (t) => {
  const me = member();
  const client = await connect(me, one);
  endSessions(me);
  // Asked is an instance that there is not, and so is not the one of the socket.
  const key = socketsKey(me);
  const { store, redis } = sockets;
  const close = async (memberId: string) => {
    const held = await redis.hgetall(key);
    await redis.del(key);
    const closing = await store.close(memberId);
    await redis.hset(key, held);
    return closing;
  };
  await closeSockets({ ...store, close }, me);
  t.is(await client.closeCode(), 4403);
});

test.serial('of several sessions of a member only the sockets of the one that ended are closed, before the answer', async (t) => {
  const me = member();
  const ended = sockets.token(me);
  const others = [await connect(me, one), await connect(me, two)];
  const mine = [await TestClient.open(one.url, ended), await TestClient.open(two.url, ended)];
  sockets.revoked.add(ended);
  await close(me);
  t.is(await sockets.registered(me), others.length);
  t.deepEqual(await Promise.all(mine.map((client) => client.closeCode())), [4403, 4403]);
  await sockets.deliver(sockets.job(me));
  for (const client of others) await client.count('job', 1);
  t.deepEqual(
    others.map(({ closed }) => closed),
    [undefined, undefined],
  );
});

test.serial('a socket that nobody vouches for in time is cut off: it gets nothing, until Auth has spoken', async (t) => {
  const me = member();
  const [ended, good] = [sockets.token(me), sockets.token(me)];
  const [stale, fresh] = [await TestClient.open(one.url, ended), await TestClient.open(two.url, good)];
  for (const client of [stale, fresh]) await client.subscribe([]);
  sockets.revoked.add(ended);
  const auth = Promise.withResolvers<void>();
  sockets.before = { ...atOnce(), auth: () => auth.promise };
  await close(me);
  t.is(await sockets.registered(me), 0, 'the answer has come all the same');
  await sockets.deliver(sockets.job(me));
  for (const { hub } of [one, two]) await sockets.redis.publish(`${sockets.prefix}ws:wake:${hub.instance}`, me);
  await sleep(200);
  t.deepEqual([...stale.jobIds, ...fresh.jobIds], []);
  sockets.before = atOnce();
  auth.resolve();
  t.is(await stale.closeCode(), 4403);
  await fresh.count('job', 1);
  t.deepEqual(stale.jobIds, []);
});

test.serial('a socket that was cut off while Auth was away comes back with it, whoever asks', async (t) => {
  const me = member();
  const client = await connect(me, one);
  await client.subscribe([]);
  sockets.authIsAway = true;
  await close(me);
  await sockets.deliver(sockets.job(me));
  t.is(await sockets.registered(me), 0);
  sockets.authIsAway = false;
  await client.count('job', 1);
  t.is(await sockets.registered(me), 1);
});

test.serial('a closing is after all before it, also those that the store has lost', async (t) => {
  const me = member();
  const client = await connect(me, one);
  const before = await sockets.store.close(me);
  await client.until(async () => (await sockets.store.unvouched(me, before)) === 0);
  await sockets.redis.del(`${sockets.prefix}ws:closings`);
  const after = await sockets.store.close(me);
  t.true(after > before);
  t.true((await sockets.store.close(me)) > after);
});

test.serial('a client that never says goodbye is cut off in time', async (t) => {
  const me = member();
  const client = await connect(me, one);
  client.ws.pause();
  endSessions(me);
  await t.notThrowsAsync(close(me));
  t.is(await sockets.registered(me), 0);
});

test.serial('an instance that has died holds up nobody', async (t) => {
  const me = member();
  await sockets.store.register({ memberId: me, socketId: 'a', instance: 'dead', closings: 0 }, 60_000, 9);
  await close(me);
  t.is(await sockets.registered(me), 0);
});

test.serial('what a closed socket has left behind holds up nobody', async (t) => {
  const me = member();
  // Its instance lives, and could not say that the socket is gone.
  const left = { memberId: me, socketId: 'gone', instance: one.hub.instance, closings: 0 };
  await sockets.store.register(left, 60_000, 9);
  await close(me);
  t.is(await sockets.registered(me), 0);
});

test.serial('an instance that stood still meanwhile delivers nothing when it comes back, and closes', async (t) => {
  const me = member();
  const client = await connect(me, one);
  const cursor = await client.subscribe([]);
  // It stands still: its lease ends, and it hears nothing.
  const lease = `${sockets.prefix}ws:instance:${one.hub.instance}`;
  await sockets.redis.del(lease);
  endSessions(me);
  await close(me);
  // It comes back, and gets an event before it has noticed anything.
  await sockets.deliver(sockets.job(me));
  await sockets.redis.publish(`${sockets.prefix}ws:wake:${one.hub.instance}`, me);
  t.is(await client.closeCode(), 4403);
  t.deepEqual(client.jobIds, []);
  t.is((await sockets.entries(me, cursor)).length, 1, 'though there was something');
});

test.serial(
  'a socket of an instance that stood still gets what it missed once Auth has said that its session is good',
  async (t) => {
    const me = member();
    const client = await connect(me, two);
    await client.subscribe([]);
    const auth = Promise.withResolvers<void>();
    sockets.before = { ...atOnce(), auth: () => auth.promise };
    await sockets.redis.del(`${sockets.prefix}ws:instance:${two.hub.instance}`, socketsKey(me));
    await sockets.deliver(sockets.job(me));
    await sockets.redis.publish(`${sockets.prefix}ws:wake:${two.hub.instance}`, me);
    await sleep(300);
    t.deepEqual(client.jobIds, []);
    sockets.before = atOnce();
    auth.resolve();
    await client.count('job', 1);
    t.is(await sockets.registered(me), 1);
  },
);

test.serial('who was let in by Auth just before, and not yet by the store, is not let in', async (t) => {
  const me = member();
  const token = sockets.token(me);
  let asked = 0;
  const peers = {
    auth: {
      authenticate: async () => {
        if (++asked > 1) throw unauthenticated('SESSION_REVOKED', 'the session was ended');
        // Between its answer and the registration.
        await close(me);
        return { memberId: me, sessionId: 's', expiresAt: 0, expiresIn: 300 };
      },
    },
  } as unknown as Peers;
  const context = { store: sockets.store, hub: one.hub, peers };
  await t.throwsAsync(vouch(context, token, { socketId: 'late' }), { code: 'SESSION_REVOKED' });
  t.is(asked, 2);
  t.is(await sockets.registered(me), 0);
});

test.serial(
  'that a member was closed out is remembered for longer than a token lives and events are kept, and no more',
  async (t) => {
    const me = member();
    await close(me);
    const left = await sockets.redis.pttl(`${sockets.prefix}ws:closed:${me}`);
    t.true(left > KEPT.ms + 590_000 && left <= KEPT.ms + 600_000, `${left} ms`);
    const again = await connect(me, one);
    t.is(again.closed, undefined, 'who is let in by Auth afterwards is let in');
  },
);
