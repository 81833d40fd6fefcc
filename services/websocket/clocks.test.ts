import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { openTestSockets, type TestSockets } from './socket.fixture.ts';

// One after the other, for they shift the clock of this process: a host whose time is not that of Auth, Redis and others.
let sockets: TestSockets;
const trueNow = Date.now;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.afterEach.always(() => {
  Date.now = trueNow;
  sockets.authIsAheadMs = 0;
});
test.after.always(() => sockets?.close());

const MINUTES = 60_000;
let members = 0;
const member = (): string => `m${++members}`;

for (const [what, hostMs, authMs] of [
  ["a host's clock that is ahead", 6 * MINUTES, 0],
  ["a host's clock that is behind", -6 * MINUTES, 0],
  ["Auth's clock that is ahead", 0, 6 * MINUTES],
  ["Auth's clock that is behind", 0, -6 * MINUTES],
] as const) {
  test.serial(`${what} closes no socket, forgets none and loses no event`, async (t) => {
    Date.now = () => trueNow() + hostMs;
    sockets.authIsAheadMs = authMs;
    const { url } = await sockets.instance({ limits: { socketsPerMember: 2, pingMs: 200 } });
    const [me, owner] = [member(), member()];
    sockets.readers.add(me);
    const token = sockets.token(me, 120);
    const client = await TestClient.open(url, token);
    const watched = sockets.job(owner);
    const cursor = await client.subscribe([`job:${watched.jobId}`]);
    const second = await TestClient.open(url, sockets.token(me, 120));
    t.is(await new TestClient(url, { token: sockets.token(me) }).closeCode(), 4429, 'both count');
    const checks = sockets.asked.get(token) ?? 0;
    await client.until(() => client.closed !== undefined || (sockets.asked.get(token) ?? 0) >= checks + 3);
    t.is(client.closed, undefined);

    // They are remembered for the life of their token and a while.
    const [ofSockets, ofJob] = await Promise.all([
      sockets.redis.pttl(`${sockets.prefix}ws:sockets:${me}`),
      sockets.redis.pttl(`${sockets.prefix}ws:job:${watched.jobId}`),
    ]);
    t.true(ofSockets > 170_000 && ofSockets <= 181_000, `sockets: ${ofSockets} ms`);
    t.true(ofJob > 170_000 && ofJob <= 181_000, `job: ${ofJob} ms`);

    second.drop();
    client.drop();
    const own = sockets.job(me);
    await sockets.deliver(watched, own);
    const again = await TestClient.open(url, sockets.token(me));
    await again.subscribe([`job:${watched.jobId}`], cursor);
    await again.count('job', 2);
    t.deepEqual(again.jobIds, [watched.jobId, own.jobId]);
  });
}

test.serial('a token expires after the time that it had left, whatever the clocks say', async (t) => {
  const { url } = await sockets.instance();
  for (const minutes of [6, -6]) {
    Date.now = () => trueNow() + minutes * MINUTES;
    sockets.authIsAheadMs = -minutes * MINUTES;
    const begun = performance.now();
    const client = await TestClient.open(url, sockets.token(member(), 2));
    await sleep(1_000);
    t.is(client.closed, undefined);
    t.is(await client.closeCode(), 4401);
    t.true(performance.now() - begun > 1_500);
  }
});
