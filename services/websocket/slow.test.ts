import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { CLOSE } from './domain.ts';
import { socketsClosed } from './metrics.ts';
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
  const at = await sockets.instance({ limits: { bufferedBytes: 65_536, stallMs: 500, goodbyeMs: 60_000 } });
  // Who reads must not be taken for slow when it is the machine that is.
  const patient = await sockets.instance();
  const slow = await TestClient.open(at.url, sockets.token('slow'));
  const quick = await TestClient.open(patient.url, sockets.token('slow'));
  await Promise.all([slow.subscribe([]), quick.subscribe([])]);
  slow.ws.pause();
  const jobs = large('slow', 40);
  await sockets.deliver(...jobs);
  await slow.until(async () => (await socketsClosed.get()).values.some(({ labels }) => Number(labels.code) === CLOSE.tooSlow));
  slow.ws.resume();
  t.is(await slow.closeCode(), CLOSE.tooSlow);
  t.true(slow.jobIds.length < 40);
  await quick.count('job', 40);
  const again = await TestClient.open(patient.url, sockets.token('slow'));
  await again.subscribe([], slow.cursor);
  await again.until(() => slow.jobIds.length + again.jobIds.length >= 40);
  t.deepEqual(
    [...slow.jobIds, ...again.jobIds],
    jobs.map(({ jobId }) => jobId),
  );
});

test('a client that reads slowly, but reads, gets everything', async (t) => {
  const stallMs = 6_000;
  const at = await sockets.instance({ limits: { bufferedBytes: 65_536, stallMs } });
  const client = await TestClient.open(at.url, sockets.token('steady'));
  await client.subscribe([]);
  const jobs = large('steady', 80);
  client.ws.pause();
  await sockets.deliver(...jobs);
  const begun = performance.now();
  // A few at a time: it takes longer than a client may stall, but it never stalls for that long.
  for (let count = 5; count <= 80; count += 5) {
    await sleep(600);
    client.ws.resume();
    await client.count('job', count);
    client.ws.pause();
  }
  t.true(performance.now() - begun > stallMs);
  client.ws.resume();
  t.is(client.closed, undefined);
  t.deepEqual(
    client.jobIds,
    jobs.map(({ jobId }) => jobId),
  );
});

test('a client that does not answer pings is dropped', async (t) => {
  const at = await sockets.instance({ limits: { pingMs: 1_500 } });
  const alive = await TestClient.open(at.url, sockets.token('pings'));
  const dead = await TestClient.open(at.url, sockets.token('pings'));
  dead.ws.pause();
  await alive.until(async () => (await sockets.registered('pings')) === 1);
  t.is(alive.closed, undefined);
  dead.ws.resume();
  t.is(await dead.closeCode(), 1006);
});
