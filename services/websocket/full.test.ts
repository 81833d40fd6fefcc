import { randomUUID } from 'node:crypto';
import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { ownServer } from '../../test/own-server.ts';
import { TestClient } from './client.fixture.ts';
import { openTestSockets } from './socket.fixture.ts';

test('while Redis has no room the ends of jobs wait, none is parked, and sockets are told of each when it has', async (t) => {
  const server = await ownServer('redis');
  const sockets = await openTestSockets({ redis: server.addresses.MUSUBI_REDIS_URL, kafka: process.env.MUSUBI_KAFKA_BROKERS });
  try {
    const { url, lifecycle } = await sockets.instance({ kafka: true });
    const me = randomUUID();
    const client = await TestClient.open(url, sockets.token(me));
    await client.subscribe([]);
    await sockets.redis.config('SET', 'maxmemory', '1');
    const jobs = Array.from({ length: 5 }, () => sockets.job(me));
    await sockets.publish(...jobs);
    const told = async () => Object.entries(await lifecycle.degraded()).find(([name]) => name.startsWith('kafka group'))?.[1];
    await until(async () => /the store is full/i.test((await told()) ?? ''));
    t.deepEqual(client.jobIds, []);
    await sockets.redis.config('SET', 'maxmemory', '0');
    await until(() => new Set(client.jobIds).size >= jobs.length);
    t.deepEqual(client.jobIds.toSorted(), jobs.map(({ jobId }) => jobId).sort(), 'each once');
    t.deepEqual(await lifecycle.attention(), {}, 'nothing is parked');
    await until(async () => (await told()) === undefined);
  } finally {
    await sockets.redis.config('SET', 'maxmemory', '0');
    await sockets.close();
    await server.stop();
  }
});
