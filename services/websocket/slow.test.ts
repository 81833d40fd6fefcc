import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { openTestSockets, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.after.always(() => sockets?.close());

/** Jobs whose results fill the buffers of the system, and then ours. */
function large(memberId: string, count: number) {
  const resultJson = JSON.stringify({ text: 'x'.repeat(400_000) });
  return Array.from({ length: count }, () => ({ ...sockets.job(memberId), resultJson }));
}

test('a client that does not read is closed with 4408, and has all of it when it comes back', async (t) => {
  const at = await sockets.instance({ limits: { bufferedBytes: 65_536, stallMs: 500 } });
  const slow = await TestClient.open(at.url, sockets.token('slow'));
  const quick = await TestClient.open(at.url, sockets.token('slow'));
  await Promise.all([slow.subscribe([]), quick.subscribe([])]);
  slow.ws.pause();
  const jobs = large('slow', 40);
  await sockets.deliver(...jobs);
  await quick.count('job', 40);
  await sleep(1_500);
  slow.ws.resume();
  t.is(await slow.closeCode(), 4408);
  t.true(slow.jobIds.length < 40);
  const again = await TestClient.open(at.url, sockets.token('slow'));
  await again.subscribe([], slow.cursor);
  await again.until(() => slow.jobIds.length + again.jobIds.length >= 40);
  t.deepEqual(
    [...slow.jobIds, ...again.jobIds],
    jobs.map(({ jobId }) => jobId),
  );
});

test('a client that reads slowly, but reads, gets everything', async (t) => {
  const at = await sockets.instance({ limits: { bufferedBytes: 65_536, stallMs: 2_000 } });
  const client = await TestClient.open(at.url, sockets.token('steady'));
  await client.subscribe([]);
  const jobs = large('steady', 40);
  client.ws.pause();
  await sockets.deliver(...jobs);
  for (let i = 0; i < 8; i++) {
    await sleep(150);
    client.ws.resume();
    await sleep(10);
    client.ws.pause();
  }
  client.ws.resume();
  await client.count('job', 40);
  t.is(client.closed, undefined);
  t.deepEqual(
    client.jobIds,
    jobs.map(({ jobId }) => jobId),
  );
});

test('a client that does not answer pings is dropped', async (t) => {
  const at = await sockets.instance({ limits: { pingMs: 200 } });
  const alive = await TestClient.open(at.url, sockets.token('pings'));
  const dead = await TestClient.open(at.url, sockets.token('pings'));
  dead.ws.pause();
  await sleep(1_000);
  t.is(alive.closed, undefined);
  t.is(await sockets.redis.hlen(`${sockets.prefix}ws:sockets:pings`), 1);
  dead.ws.resume();
  t.is(await dead.closeCode(), 1006);
});
