import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';

// When NarrowSockets has answered, nothing is sent that a member may not follow any more, whatever was decided before.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const limits = { pingMs: 3_600_000 };
  one = await sockets.instance({ limits });
  two = await sockets.instance({ limits });
});
test.after.always(() => sockets?.close());
test.afterEach.always(() => {
  sockets.decided = async () => undefined;
  sockets.authIsAway = false;
});

let members = 0;
const reader = (): string => {
  const me = `reader${++members}`;
  sockets.readers.add(me);
  return me;
};
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
const narrow = (me?: string) => narrowSockets(sockets.store, me === undefined ? undefined : [me]);

/** A socket that follows a new job of somebody else. */
async function follower(me: string, at = one) {
  const client = await connect(me, at);
  const job = sockets.job('owner');
  await client.subscribe([`job:${job.jobId}`]);
  return { client, job };
}

/** Holds each answer of Auth on one thing back, though it is decided. */
function holdAnswers() {
  const held = Promise.withResolvers<void>();
  const decided = Promise.withResolvers<void>();
  sockets.decided = () => {
    decided.resolve();
    return held.promise;
  };
  const release = (): void => {
    sockets.decided = async () => undefined;
    held.resolve();
  };
  return { decided: decided.promise, release };
}

const ends = (client: TestClient) => client.of('unsubscribed').map(({ topics, code }) => ({ topics, code }));
const revoked = (jobId: string) => ({ topics: [`job:${jobId}`], code: 'PERMISSION_REVOKED' });

/** A round trip: what was sent before it has come. */
async function settled(client: TestClient): Promise<void> {
  const before = client.of('pong').length;
  client.send({ type: 'ping' });
  await client.count('pong', before + 1);
}

test.serial('one asking reaches every instance', async (t) => {
  const me = reader();
  const [here, there] = [await follower(me, one), await follower(me, two)];
  sockets.readers.delete(me);
  const { number, memberIds } = await sockets.store.narrow([me]);
  t.deepEqual(memberIds, [me]);
  await here.client.until(async () => (await sockets.store.unvouched(me, number)) === 0);
  for (const { client, job } of [here, there]) {
    await settled(client);
    t.deepEqual(ends(client), [revoked(job.jobId)]);
  }
});

test.serial(
  'what a member may not follow any more ends on every instance before the answer, and nothing else does',
  async (t) => {
    const [me, other] = [reader(), reader()];
    const [a, b, c] = [await follower(me, one), await follower(me, two), await follower(other, two)];
    sockets.readers.delete(me);
    const asked = sockets.decisions.many;
    await narrow(me);
    for (const { client, job } of [a, b]) {
      await settled(client);
      t.deepEqual(ends(client), [revoked(job.jobId)]);
    }
    t.is(sockets.decisions.many, asked + 2, 'of the other member nobody asks');
    const own = sockets.job(me);
    await sockets.deliver(a.job, b.job, c.job, own);
    await c.client.count('job', 1);
    for (const { client } of [a, b]) {
      await client.count('job', 1);
      t.deepEqual(client.jobIds, [own.jobId]);
    }
    t.deepEqual(ends(c.client), []);
    t.deepEqual(
      [a, b, c].map(({ client }) => client.closed),
      [undefined, undefined, undefined],
    );
  },
);

test.serial('where all are asked, those lose it who may not any more, and with one question each', async (t) => {
  const [me, other] = [reader(), reader()];
  const [a, b] = [await follower(me, one), await follower(other, two)];
  const more = Array.from({ length: 30 }, () => sockets.job('owner'));
  await a.client.subscribe(more.map(({ jobId }) => `job:${jobId}`));
  sockets.readers.delete(me);
  const asked = sockets.decisions.many;
  await narrow();
  await settled(a.client);
  t.deepEqual(
    ends(a.client).map(({ topics }) => topics.length),
    [31],
  );
  await sockets.deliver(b.job);
  await b.client.count('job', 1);
  // Those of the tests before follow still.
  t.true(sockets.decisions.many - asked <= 4);
});

test.serial('who follows nothing of others is not asked', async (t) => {
  const me = reader();
  const client = await connect(me);
  await client.subscribe([`job:${sockets.job(me).jobId}`]);
  const [token = ''] = [...sockets.tokens].find(([, { memberId }]) => memberId === me) ?? [];
  const asked = sockets.asked.get(token);
  let looks = 0;
  const store = { ...sockets.store, unvouched: async () => ++looks };
  await narrowSockets(store, [me]);
  t.deepEqual([looks, sockets.asked.get(token)], [0, asked]);
});

test.serial('an event that Auth has allowed just before is not sent after', async (t) => {
  const me = reader();
  const { client, job } = await follower(me);
  const { decided, release } = holdAnswers();
  await sockets.deliver(job);
  await decided;
  sockets.readers.delete(me);
  await narrow(me);
  release();
  await settled(client);
  await sleep(100);
  t.deepEqual(client.jobIds, []);
  t.deepEqual(ends(client), [revoked(job.jobId)]);
});

for (const whom of ['the member', 'all']) {
  test.serial(`what is being subscribed to on what Auth has said before, is not followed when ${whom} is narrowed`, async (t) => {
    const me = reader();
    const client = await connect(me);
    const job = sockets.job('owner');
    const { decided, release } = holdAnswers();
    client.send({ type: 'subscribe', topics: [`job:${job.jobId}`] });
    await decided;
    sockets.readers.delete(me);
    await narrow(whom === 'all' ? undefined : me);
    release();
    const [subscribed] = await client.count('subscribed', 1);
    t.deepEqual(subscribed?.topics, []);
    t.deepEqual(
      client.of('error').map(({ code }) => code),
      ['JOB_NOT_FOUND'],
    );
  });
}

test.serial('several are narrowed together, and nobody else is asked', async (t) => {
  const [a, b, other] = [reader(), reader(), reader()];
  const { store } = sockets;
  const followers = await Promise.all([a, b, other].map((me) => follower(me)));
  for (const me of [a, b, other]) sockets.readers.delete(me);
  await narrowSockets(store, [a, 'nobody', b]);
  await Promise.all(followers.map(({ client }) => settled(client)));
  t.deepEqual(
    followers.map(({ client }) => ends(client).length),
    [1, 1, 0],
  );
  const { number } = await store.narrow([a]);
  t.false(await store.subscribe({ jobIds: [sockets.job('owner').jobId] }, a, 60_000, number - 1));
  t.true(
    await store.subscribe({ jobIds: [sockets.job('owner').jobId] }, other, 60_000, number - 1),
    'what Auth said of another holds',
  );
  await narrowSockets(store, []);
  t.deepEqual(ends(followers[2]?.client ?? t.fail()), [], 'nobody is not everybody');
});

test.serial('who follows one job for a moment more, is a follower for as long as before', async (t) => {
  const me = reader();
  const { store } = sockets;
  await store.subscribe({ jobIds: [sockets.job('owner').jobId] }, me, 60_000);
  await store.subscribe({ jobIds: [sockets.job('owner').jobId] }, me, 50);
  await sleep(100);
  t.deepEqual((await store.narrow([me])).memberIds, [me]);
});

test.serial('what was entered and waits for its turn is not followed either', async (t) => {
  const me = reader();
  const { client, job } = await follower(me);
  // An event whose answer is held back has the turn.
  const { decided, release } = holdAnswers();
  await sockets.deliver(job);
  await decided;
  const next = sockets.job('owner');
  sockets.decided = async () => undefined;
  client.send({ type: 'subscribe', topics: [`job:${next.jobId}`] });
  await client.until(async () => (await sockets.redis.exists(`${sockets.prefix}ws:job:${next.jobId}`)) === 1);
  sockets.readers.delete(me);
  await narrow(me);
  release();
  const [, subscribed] = await client.count('subscribed', 2);
  t.deepEqual(subscribed?.topics, []);
  t.deepEqual(client.jobIds, []);
  t.deepEqual(ends(client), [revoked(job.jobId)]);
});

test.serial('an answer of Auth that is old when it comes is asked for again', async (t) => {
  const me = reader();
  const { client, job } = await follower(me);
  const { decided, release } = holdAnswers();
  await sockets.deliver(job);
  await decided;
  // As if the process had stood still with it: nobody waits for it any more, and it has heard of nothing.
  sockets.readers.delete(me);
  await sleep(1_100);
  release();
  await client.count('unsubscribed', 1);
  t.deepEqual(client.jobIds, []);
});

test.serial('a socket for which Auth does not answer in time is cut off, until Auth has spoken', async (t) => {
  const me = reader();
  const { client, job } = await follower(me);
  sockets.readers.delete(me);
  sockets.authIsAway = true;
  await narrow(me);
  t.is(await sockets.registered(me), 0, 'the answer has come all the same');
  const own = sockets.job(me);
  await sockets.deliver(job, own);
  await settled(client);
  t.deepEqual(client.jobIds, []);
  sockets.authIsAway = false;
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [own.jobId]);
  t.deepEqual(ends(client), [revoked(job.jobId)]);
});

test.serial('a token that is renewed meanwhile vouches for nothing that was not asked again', async (t) => {
  const me = reader();
  const { client, job } = await follower(me);
  sockets.readers.delete(me);
  client.send({ type: 'auth', token: sockets.token(me) });
  await client.count('unsubscribed', 1);
  t.deepEqual(ends(client), [revoked(job.jobId)]);
});

test.serial('who may follow no more is forgotten as a follower in time', async (t) => {
  const me = reader();
  await sockets.store.subscribe({ jobIds: ['job'] }, me, 1);
  await sleep(10);
  t.deepEqual((await sockets.store.narrow([me])).memberIds, []);
});
