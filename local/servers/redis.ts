import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { wheelBinary } from '../packages/wheels.ts';
import { firstUsers, makeUsers, withAdmin } from './redis-users.ts';
import { onPath, type Server } from './server.ts';

/** Valkey: the Redis protocol, with an append-only file. */
export const redis: Server = {
  name: 'redis',
  title: 'Redis (Valkey)',
  ports: { redis: 6379 },
  address: ({ ports, secrets }) => ({
    MUSUBI_REDIS_URL: `redis://${ADMIN}:${secrets.redisPassword}@127.0.0.1:${ports.redis}`,
  }),
  async prepare({ data, ports, secrets, say }) {
    const users = join(data, USERS);
    const kept = existsSync(users) ? await readFile(users, 'utf8') : firstUsers(ADMIN, secrets.redisPassword);
    await writeFile(users, withAdmin(kept, ADMIN, secrets.redisPassword), { mode: 0o600 });
    const command = (await onPath('valkey-server', /v=9\./)) ?? (await wheelBinary('valkey-server', say));
    const options = {
      port: ports.redis,
      bind: '127.0.0.1',
      dir: '.',
      aclfile: USERS,
      appendonly: 'yes',
      // What is answered is on disk: what people say is acknowledged by that, and many writes share one sync.
      appendfsync: 'always',
      // The append-only file is the data; snapshots beside it would only double the writes.
      save: '',
      // Timers fire this often a second; expiry stays exact, only the background work is rarer.
      hz: 5,
      'maxmemory-policy': 'noeviction',
    };
    return { command, args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]) };
  },
  probe: (setting) => redis.reach(redis.address(setting)),
  makeUsers(setting, programs) {
    const { MUSUBI_REDIS_URL = '' } = redis.address(setting);
    return withClient(MUSUBI_REDIS_URL, (client) => makeUsers(MUSUBI_REDIS_URL, client, programs));
  },
  async reach({ MUSUBI_REDIS_URL = '' }) {
    await withClient(MUSUBI_REDIS_URL, (client) => client.ping());
  },
  stopSignal: 'SIGTERM',
  graceMs: 5_000,
};

const ADMIN = 'musubi';
const USERS = 'users.acl';

async function withClient<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const limits = { connectTimeout: 5_000, socketTimeout: 5_000, retryStrategy: () => null };
  const client = new Redis(url, { ...limits, lazyConnect: true });
  let problem: Error | undefined;
  client.on('error', (error: Error) => (problem = error));
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    // What the connection failed with says more than that it is closed.
    throw problem ?? error;
  } finally {
    client.disconnect();
  }
}
