import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import type { MusubiError } from '../errors.ts';
import { Secret } from '../process/config.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { guarded, listen, openRedis, type Redis } from './client.ts';

// On a server of its own: what is done to it must be done to no other's.

let server: OwnServer;
let redis: Redis;
const { log, lifecycle } = testProcess('test-redis');
const at = (): URL => new URL(server.addresses.MUSUBI_REDIS_URL ?? '');

test.before(async () => {
  server = await ownServer('redis');
  redis = await openRedis({ url: new Secret(at().href), log, lifecycle });
  redis.defineCommand('putOne', { numberOfKeys: 1, lua: `return redis.call('SET', KEYS[1], ARGV[1])` });
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  await server.stop();
});

/** Waits for what a probe says, as it is made now and then; the test's time limit is the deadline. */
async function told(expected: RegExp | undefined): Promise<void> {
  for (;;) {
    const said = (await lifecycle.degraded())['redis, writing'];
    if (expected === undefined ? said === undefined : expected.test(said ?? '')) return;
    await sleep(50);
  }
}

const put = (): Promise<unknown> => guarded(() => redis.set('key', 'value'));

test.serial(
  'a full server is STORE_FULL, however it was asked to write; the probe that writes says so, and reads go on',
  async (t) => {
    t.deepEqual([await lifecycle.unready(), await lifecycle.degraded()], [{}, {}]);
    await put();
    await redis.config('SET', 'maxmemory', '1');
    const writes: Record<string, () => Promise<unknown>> = {
      command: put,
      script: () => guarded(() => (redis as unknown as { putOne(...given: string[]): Promise<unknown> }).putOne('key', 'value')),
      transaction: () => guarded(() => redis.multi().hset('hash', 'field', 'value').expire('hash', 1).exec()),
    };
    for (const [how, write] of Object.entries(writes)) {
      const error = await t.throwsAsync<MusubiError>(write, { code: 'STORE_FULL' }, how);
      t.is(error?.grpcStatus, status.UNAVAILABLE, how);
    }
    await told(/full.*OOM command not allowed/);
    t.is(await guarded(() => redis.get('key')), 'value');
    t.deepEqual(await lifecycle.unready(), {}, 'what only reads goes on');
    await redis.config('SET', 'maxmemory', '0');
    await told(undefined);
    await t.notThrowsAsync(put);
  },
);

test.serial('a server that refuses us is STORE_UNAVAILABLE, whatever its reason', async (t) => {
  const unavailable = (work: () => Promise<unknown>, why: string) =>
    t.throwsAsync<MusubiError>(() => guarded(work), { code: 'STORE_UNAVAILABLE' }, why);

  await redis.config('SET', 'min-replicas-to-write', '1');
  await unavailable(put, 'NOREPLICAS');
  await told(/NOREPLICAS/);
  await redis.config('SET', 'min-replicas-to-write', '0');

  await redis.replicaof('127.0.0.1', '1');
  await unavailable(put, 'READONLY');
  await told(/READONLY/);
  await redis.replicaof('NO', 'ONE');
  await told(undefined);

  await redis.acl('SETUSER', 'reader', 'on', '>secret', '~*', '+@read', '+@connection', '+info');
  const reader = redis.duplicate({ username: 'reader', password: 'secret' });
  await unavailable(() => reader.set('key', 'value'), 'NOPERM');
  reader.disconnect();

  const stranger = redis.duplicate({ username: 'reader', password: 'wrong', retryStrategy: () => null });
  stranger.on('error', () => undefined);
  await unavailable(() => stranger.get('key'), 'WRONGPASS');
  stranger.disconnect();

  // What it says in words of its own.
  for (const reply of [
    'MISCONF Errors writing to the AOF file: No space left on device',
    'NOAUTH Authentication required.',
    'LOADING server is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down',
    'BUSY server is busy running a script',
    'SOMETHING that a later release may say of itself',
    'ERR max number of clients reached',
    'ERR Error running script (call to f_1): @user_script:1: READONLY You cannot write against a read only replica.',
  ]) {
    await unavailable(() => redis.eval('return {err = ARGV[1]}', 0, reply), reply);
  }
});

test.serial('a server that hangs is away, to calls and to probes, until it answers', async (t) => {
  await server.pause();
  try {
    await t.throwsAsync(() => guarded(() => redis.get('key')), { code: 'STORE_UNAVAILABLE' });
    t.truthy((await lifecycle.unready()).redis);
  } finally {
    await server.resume();
  }
  await until(async () => (await lifecycle.unready()).redis === undefined);
  await t.notThrowsAsync(put);
});

test.serial('what is the fault of the command stays one', async (t) => {
  await redis.set('text', 'value');
  for (const fault of [
    () => redis.call('NO-SUCH-COMMAND'),
    () => redis.hset('text', 'field', 'value'),
    () => redis.eval('return no_such_function()', 0),
    () => redis.multi().call('NO-SUCH-COMMAND').exec(),
  ]) {
    const error = await t.throwsAsync(() => guarded(fault));
    t.regex(error?.message ?? '', /^(ERR|WRONGTYPE|EXECABORT)/);
  }
});

test.serial('who may not listen is degraded until it may, and then hears', async (t) => {
  await redis.acl('SETUSER', 'deaf', 'on', '>secret', '~*', '+@all', 'resetchannels');
  const url = at();
  [url.username, url.password] = ['deaf', 'secret'];
  const own = testProcess('test-deaf');
  const told = async () => (await own.lifecycle.degraded())['redis, listening'];
  const heard: string[] = [];
  const listening = listen({
    url: new Secret(url.href),
    ...own,
    channels: ['news'],
    heard: (_channel, message) => void heard.push(message),
    since: () => undefined,
  });
  await until(async () => (await told()) !== undefined);
  await redis.acl('SETUSER', 'deaf', 'allchannels');
  const subscriber = await listening;
  t.is(await told(), undefined);
  await redis.publish('news', 'told');
  await until(() => heard.length !== 0);
  subscriber.disconnect();
  await until(async () => (await told()) !== undefined);
  t.deepEqual(heard, ['told']);
});
