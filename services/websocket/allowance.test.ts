import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { LIMITS } from './domain.ts';
import { openTestSockets, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;

/** Who may spend so much at once, and no more for a long time. @returns how much a member has spent when its frame is answered */
async function spent(act: (client: TestClient) => Promise<unknown>, me = member()): Promise<number> {
  const limits = { topicsPerSocket: 100, topicsPerSecond: 0.001 };
  const { url, hub } = await sockets.instance({ limits });
  const client = await TestClient.open(url, sockets.token(me));
  await act(client);
  client.drop();
  const allowance = hub.topicsOf(me, { ...LIMITS, ...limits });
  let left = 0;
  while (allowance.spend(1) === 0) left++;
  return limits.topicsPerSocket - left;
}

test('a topic that is refused without asking costs as much as any other', async (t) => {
  t.is(await spent((client) => client.subscribe(Array.from({ length: 60 }, (_, i) => `room:${i}`))), 60);
});

test('events that are read for a cursor cost, and a cursor that misses nothing costs nothing', async (t) => {
  const me = member();
  await sockets.deliver(...Array.from({ length: 150 }, () => sockets.job(me)));
  const [oldest] = await sockets.entries(me);
  const act = async (client: TestClient): Promise<void> => {
    for (let i = 0; i < 5; i++) await client.subscribe([], oldest?.cursor ?? '');
    t.is(client.of('job').length, 149);
  };
  t.is(await spent(act, me), 2);
});

test('a reset costs for each topic', async (t) => {
  const me = member();
  const act = async (client: TestClient): Promise<void> => {
    await client.subscribe([sockets.job(me), sockets.job(me)].map(({ jobId }) => `job:${jobId}`));
    await client.subscribe([], '1-0');
    t.is(client.of('reset').length, 3);
  };
  t.is(await spent(act, me), 2 + 3);
});

test("a new token costs for each topic of others' jobs, and only these are written down", async (t) => {
  const [me, other] = [member(), member()];
  sockets.readers.add(me);
  const [own, others] = [sockets.job(me), sockets.job(other)];
  const key = (jobId: string) => `${sockets.prefix}ws:job:${jobId}`;
  const act = async (client: TestClient): Promise<void> => {
    await client.subscribe([own, others].map(({ jobId }) => `job:${jobId}`));
    const before = await sockets.redis.pttl(key(others.jobId));
    client.send({ type: 'auth', token: sockets.token(me, 3_000) });
    client.send({ type: 'ping' });
    await client.count('pong', 1);
    t.true((await sockets.redis.pttl(key(others.jobId))) > before + 1_000_000);
    t.is(await sockets.redis.exists(key(own.jobId)), 0);
  };
  t.is(await spent(act, me), 2 + 2);
});
