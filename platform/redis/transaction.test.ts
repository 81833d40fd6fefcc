import test from 'ava';
import { failedPrecondition } from '../errors.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { openPartitionedRedis, type PartitionedRedis } from './partitioned.ts';
import type { Partition } from './partitions.ts';
import { transaction } from './transaction.ts';

let redis: PartitionedRedis;
let partition: Partition;
const prefix = `${uniqueName('test')}:`;
const { log, lifecycle } = testProcess('test-transaction');

test.before(async () => {
  redis = await openPartitionedRedis({ service: 'test', url: servers.redis(), prefix, log, lifecycle });
  partition = redis.of('any');
});
test.after.always(async () => {
  await redis.ask(async (client) => {
    for (const key of await client.keys(`${prefix}*`)) await client.del(key);
  });
  await lifecycle.stop('tested');
});

const set = (name: string, value: string) => redis.ask((client) => client.set(partition.key(name), value));
const get = (name: string) => redis.ask((client) => client.get(partition.key(name)));

test('what was overtaken is begun again, and nothing of the first time is written', async (t) => {
  let tries = 0;
  const answer = await transaction(redis, partition, async (tx) => {
    const before = Number(await tx.read('GET', 'count'));
    if (++tries === 1) await set('count', '5');
    tx.write('SET', 'count', before + 1);
    tx.write('RPUSH', 'tries', tries);
    return before + 1;
  });
  t.deepEqual([answer, tries, await get('count')], [6, 2, '6']);
  t.deepEqual(await redis.ask((client) => client.lrange(partition.key('tries'), 0, -1)), ['2']);
});

test('a refusal by what is not so any more is none; one that stands writes nothing', async (t) => {
  await set('state', 'closed');
  let tries = 0;
  const open = () =>
    transaction(redis, partition, async (tx) => {
      const state = await tx.read('GET', 'state');
      tx.write('SET', 'entered', 'yes');
      if (++tries === 1) await set('state', 'open');
      if (state === 'closed') throw failedPrecondition('LAST_ADMIN', 'it is closed');
      return state;
    });
  t.is(await open(), 'open');
  await redis.ask((client) => client.del(partition.key('entered')));
  await set('state', 'closed');
  await t.throwsAsync(open(), { code: 'LAST_ADMIN' });
  t.is(await get('entered'), null);
});

test('what is overtaken again and again is given up after a while', async (t) => {
  let tries = 0;
  const never = transaction(redis, partition, async (tx) => {
    await tx.read('GET', 'contended');
    await set('contended', String(++tries));
    tx.write('SET', 'contended', 'mine');
  });
  await t.throwsAsync(never, { code: 'STORE_CONFLICT' });
  t.is(await get('contended'), String(tries));
});

test('where the outbox takes no event nothing else is written', async (t) => {
  // In a partition of its own: nothing can be told in it meanwhile.
  const own = redis.partitions.find(({ number }) => number !== partition.number) ?? partition;
  const write = () =>
    transaction(redis, own, async (tx) => {
      tx.write('SET', 'told', 'yes');
      tx.emit([{ aggregateType: 'thing', aggregateId: 'a', version: 1, type: 'thing.told', payload: {} }]);
    });
  await redis.ask((client) => client.set(own.key('outbox'), 'no stream'));
  await t.throwsAsync(write(), { message: /WRONGTYPE/ });
  t.is(await redis.ask((client) => client.get(own.key('told'))), null);
  await redis.ask((client) => client.del(own.key('outbox')));
  await t.notThrowsAsync(write());
});

test('all kinds of answers are compared by what is in them, and not by their order', async (t) => {
  await redis.ask(async (client) => {
    await client.hset(partition.key('hash'), { a: '1', b: '2', c: '3' });
    await client.hset(partition.key('few'), 'a', '1');
    await client.sadd(partition.key('set'), 'a', 'b');
    await client.zadd(partition.key('sorted'), 1, 'a', 2, 'b');
  });
  const read = (change: () => Promise<unknown>) => {
    let tries = 0;
    return transaction(redis, partition, async (tx) => {
      await tx.read('HGETALL', 'hash');
      await tx.read('HMGET', 'hash', 'a', 'none');
      await tx.read('SMEMBERS', 'set');
      await tx.read('ZRANGE', 'sorted', '0', '-1');
      await tx.read('EXISTS', 'none');
      await tx.read('GET', 'text');
      await tx.read('HMGET', 'few', 'a', 'none');
      if (++tries === 1) await change();
      return tries;
    });
  };
  t.is(await read(async () => undefined), 1);
  // The same in another order.
  t.is(
    await read(() =>
      redis.ask(async (client) => {
        await client.hdel(partition.key('hash'), 'a');
        await client.hset(partition.key('hash'), 'a', '1');
      }),
    ),
    1,
  );
  const changes: (() => Promise<unknown>)[] = [
    // Two names that have exchanged their values.
    () => redis.ask((client) => client.hset(partition.key('hash'), { b: '3', c: '2' })),
    () => redis.ask((client) => client.hset(partition.key('hash'), 'b', '4')),
    // What is not there is no text, whatever that is.
    () => redis.ask((client) => client.hset(partition.key('few'), 'none', '-')),
    () => redis.ask((client) => client.hset(partition.key('hash'), 'none', '')),
    () => set('text', 'false'),
    () => redis.ask((client) => client.srem(partition.key('set'), 'a')),
    () => redis.ask((client) => client.zadd(partition.key('sorted'), 3, 'a')),
    () => set('none', ''),
  ];
  for (const [at, change] of changes.entries()) t.is(await read(change), 2, String(at));
});
