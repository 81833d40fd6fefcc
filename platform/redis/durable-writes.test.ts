import test from 'ava';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import { Secret } from '../process/config.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { connectRedis, type Redis } from './client.ts';
import { openPartitionedRedis, type PartitionedRedis } from './partitioned.ts';
import { scriptOf } from './script.ts';

// On a server of its own: what is done to it must be done to no other's.

let server: OwnServer;
let store: PartitionedRedis;
/** Not the store's own connections. */
let other: Redis;
const { log, lifecycle } = testProcess('test-durable');

const ADD = scriptOf(`return redis.call('INCR', KEYS[1])`);
const READ = scriptOf(`return redis.call('GET', KEYS[1])`);

test.before(async () => {
  server = await ownServer('redis');
  const url = new Secret(server.addresses.MUSUBI_REDIS_URL ?? '');
  other = connectRedis(url, log);
  await other.config('SET', 'appendfsync', 'always');
  store = await openPartitionedRedis({ service: 'test', url, log, lifecycle });
});
test.after.always(async () => {
  other.disconnect();
  await lifecycle.stop('tested');
  await server.stop();
});

const add = (id: string): Promise<unknown> => store.write(ADD, [store.of(id).key(id)], []);
const calls = async (command: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await other.info('commandstats'))?.[1] ?? 0);
const said = async (): Promise<string | undefined> => (await lifecycle.degraded())['redis, writing'];

/** Nothing reaches the disk while `work` runs. */
async function withoutDisk(work: () => Promise<unknown>): Promise<void> {
  await other.config('SET', 'appendfsync', 'no');
  try {
    await work();
  } finally {
    await other.config('SET', 'appendfsync', 'always');
  }
}

test.serial('writes that come together wait together, each with its own answer', async (t) => {
  const before = await calls('waitaof');
  const answers = await Promise.all(Array.from({ length: 1_000 }, (_, index) => add(`together-${index % 100}`)));
  t.deepEqual(
    answers,
    Array.from({ length: 1_000 }, (_, index) => Math.floor(index / 100) + 1),
  );
  const waits = (await calls('waitaof')) - before;
  t.true(waits >= 2 && waits <= 20, `${waits} waits`);
});

test.serial('what is not on disk in time is not answered, though it has happened', async (t) => {
  await withoutDisk(async () => {
    await t.throwsAsync(add('slow'), { code: 'STORE_UNAVAILABLE' });
    await t.throwsAsync(add('slow'), { code: 'STORE_UNAVAILABLE' });
  });
  t.is(await add('slow'), 3);
});

test.serial('what is found done waits for what another connection wrote', async (t) => {
  const key = store.of('found').key('found');
  await withoutDisk(async () => {
    await other.set(key, 'done');
    await t.throwsAsync(store.write(READ, [key], []), { code: 'STORE_UNAVAILABLE' });
  });
  t.is(await store.write(READ, [key], []), 'done');
});

test.serial('a script that the server has forgotten is given to it again, and its writes wait like others', async (t) => {
  t.is(await add('forgotten'), 1);
  await other.script('FLUSH');
  t.is(await add('forgotten'), 2);
  await withoutDisk(async () => {
    await other.script('FLUSH');
    await t.throwsAsync(add('forgotten'), { code: 'STORE_UNAVAILABLE' });
  });
  t.is(await add('forgotten'), 4);
});

test.serial('a mistake of one write is its own, and no other of the same batch fails', async (t) => {
  const text = store.of('text').key('text');
  await other.set(text, 'no number');
  const [wrong, ...right] = await Promise.allSettled([
    store.write(ADD, [text], []),
    ...['a', 'b', 'c'].map((id) => add(`beside-${id}`)),
  ]);
  t.is(wrong?.status, 'rejected');
  t.regex(String((wrong as PromiseRejectedResult).reason), /not an integer/);
  t.deepEqual(
    right.map((each) => each.status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  );
});

test.serial('a mistake is told as one also where nothing reaches the disk: to repeat it would be in vain', async (t) => {
  const text = store.of('text').key('text');
  await other.set(text, 'no number');
  await withoutDisk(() => t.throwsAsync(store.write(ADD, [text], []), { message: /not an integer/ }));
});

test.serial('where no epoch can be noted a write is not answered, and those of other partitions are', async (t) => {
  const [one, another] = store.partitions;
  const epoch = one?.key('epoch') ?? '';
  const addIn = (partition = one) => store.write(ADD, [partition?.key('noted') ?? ''], []);
  t.is(await addIn(), 1);
  await other.rename(epoch, `${epoch}-aside`);
  await other.set(epoch, 'no hash');
  const beside = addIn(another);
  await t.throwsAsync(addIn(), { code: 'STORE_UNAVAILABLE' });
  t.is(await beside, 1);
  await other.rename(`${epoch}-aside`, epoch);
  t.is(await addIn(), 3, 'it had happened');
});

test.serial('so many writes wait at most, and what comes beyond them is refused before it is sent', async (t) => {
  const outcomes = await Promise.allSettled(Array.from({ length: 5_000 }, () => add('flood')));
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  t.is(refused.length, 1_000);
  t.deepEqual(
    [...new Set(refused.map(({ code, cause }) => `${code}: ${cause.message}`))],
    ['STORE_UNAVAILABLE: too many writes wait'],
  );
  t.is(await add('flood'), 4_001);
});

test.serial('a full server is STORE_FULL', async (t) => {
  await other.config('SET', 'maxmemory', '1');
  try {
    await t.throwsAsync(add('full'), { code: 'STORE_FULL' });
    await until(async () => /OOM command not allowed/.test((await said()) ?? ''));
  } finally {
    await other.config('SET', 'maxmemory', '0');
  }
  t.is(await add('full'), 1);
  // What makes room is done, and answered.
  await other.config('SET', 'maxmemory', '1');
  try {
    const key = store.of('full').key('full');
    t.is(await store.write(scriptOf(`#!lua flags=allow-oom\nreturn redis.call('DEL', KEYS[1])`), [key], []), 1);
  } finally {
    await other.config('SET', 'maxmemory', '0');
  }
  await until(async () => (await said()) === undefined);
});

test.serial('a server that keeps no append-only file takes no writes, and the probe says why', async (t) => {
  await other.config('SET', 'appendonly', 'no');
  try {
    await t.throwsAsync(add('nowhere'), { code: 'STORE_UNAVAILABLE' });
    await until(async () => /appendonly is disabled/.test((await said()) ?? ''));
  } finally {
    await other.config('SET', 'appendonly', 'yes');
  }
  await until(async () => (await said()) === undefined);
  await t.notThrowsAsync(add('nowhere'));
});

test.serial('what was answered is there after the server was killed, and writes go on', async (t) => {
  const answered = await Promise.all(Array.from({ length: 100 }, (_, index) => add(`kept-${index}`)));
  t.is(answered.length, 100);
  await server.stack.kill('redis', 'SIGKILL');
  await t.throwsAsync(add('kept-0'), { code: 'STORE_UNAVAILABLE' });
  t.truthy((await lifecycle.unready()).redis);
  await server.stack.start('redis');
  await until(async () => (await lifecycle.unready()).redis === undefined);
  await until(() =>
    add('probe').then(
      () => true,
      () => false,
    ),
  );
  t.deepEqual(
    await Promise.all(Array.from({ length: 100 }, (_, index) => add(`kept-${index}`))),
    Array.from({ length: 100 }, () => 2),
  );
});

test.serial('a server that is killed amid writes is away, whatever the client says of each', async (t) => {
  const writing = Promise.allSettled(Array.from({ length: 3_000 }, (_, index) => add(`amid-${index % 50}`)));
  await server.stack.kill('redis', 'SIGKILL');
  const outcomes = await writing;
  const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason.code)] : []));
  t.deepEqual([...new Set(failed)], failed.length > 0 ? ['STORE_UNAVAILABLE'] : []);
  await server.stack.start('redis');
  await until(() =>
    add('amid-0').then(
      () => true,
      () => false,
    ),
  );
  // What was answered is there.
  const last = Math.max(
    0,
    ...outcomes.flatMap((outcome, at) => (at % 50 === 0 && outcome.status === 'fulfilled' ? [Number(outcome.value)] : [])),
  );
  t.true(Number(await add('amid-0')) > last);
});

test.serial('a server that hangs is away until it answers', async (t) => {
  await server.pause();
  try {
    await t.throwsAsync(add('hangs'), { code: 'STORE_UNAVAILABLE' });
  } finally {
    await server.resume();
  }
  await until(() =>
    add('hangs').then(
      () => true,
      () => false,
    ),
  );
  t.pass();
});
