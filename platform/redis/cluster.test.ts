import test from 'ava';
import slotOf from 'cluster-key-slot';
import { type ClusterNode, type OwnRedisCluster, ownRedisCluster, takeOver } from '../../test/own-redis-cluster.ts';
import { Secret } from '../process/config.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { type Cluster, closeRedis, connectRedisOrCluster, untilConnected } from './client.ts';
import { DurableWrites } from './durable-writes.ts';
import { openPartitionedRedis, type PartitionedRedis } from './partitioned.ts';
import { scriptOf } from './script.ts';

// Partitions on the nodes of a cluster, each with a replica.

let cluster: OwnRedisCluster;
let store: PartitionedRedis;
const { log, lifecycle } = testProcess('test-cluster');

/** Two keys of a partition, as scripts use them. */
const ADD = scriptOf(`redis.call('SET', KEYS[2], ARGV[1]) return redis.call('INCR', KEYS[1])`);

test.before(async () => {
  cluster = await ownRedisCluster({ replicas: 1 });
  store = await openPartitionedRedis({ service: 'test', url: new Secret(cluster.url), log, lifecycle });
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  await cluster.stop();
});

const add = (number: number, name: string, of = store): Promise<unknown> => {
  const partition = of.partitions[number];
  return of.write(ADD, [partition?.key(name) ?? '', partition?.key('last') ?? ''], [name]);
};
const numbers = Array.from({ length: 16 }, (_, number) => number);
const addAll = (name: string): Promise<unknown[]> => Promise.all(numbers.map((number) => add(number, name)));
const settles = (work: () => Promise<unknown>): Promise<void> =>
  until(() =>
    work().then(
      () => true,
      () => false,
    ),
  );
/** The nodes that have all that their masters have. */
async function replicas(): Promise<readonly ClusterNode[]> {
  const roles = await Promise.all(cluster.nodes.map(({ client }) => client.role()));
  return cluster.nodes.filter((_, node) => roles[node]?.[0] === 'slave' && roles[node]?.[3] === 'connected');
}
const epochs = (): Promise<number[]> =>
  Promise.all(store.partitions.map(async (each) => Number(await store.ask((redis) => redis.hget(each.key('epoch'), 'number')))));
/** Writes in all partitions, as soon as that can be done. @returns in which epochs they are then */
async function settled(name: string): Promise<number[]> {
  await settles(() => addAll(name));
  return await epochs();
}
const keysOf = async (node: number): Promise<string[]> => (await cluster.nodes[node]?.client.keys('*')) ?? [];

test.serial('every node has some of the partitions, and a script may use the keys of one', async (t) => {
  t.deepEqual(
    await addAll('spread'),
    numbers.map(() => 1),
  );
  t.deepEqual(
    await addAll('spread'),
    numbers.map(() => 2),
  );
  const spread = await Promise.all([0, 1, 2].map(async (node) => (await keysOf(node)).filter((key) => key.endsWith(':spread'))));
  t.is(spread.flat().length, 16);
  t.true(
    spread.every((keys) => keys.length >= 3),
    spread.map((keys) => keys.length).join(', '),
  );
});

test.serial('where one partition has moved, what was sent together with it is answered all the same', async (t) => {
  const own = testProcess('test-moving');
  const moving = await openPartitionedRedis({ service: 'moving', url: new Secret(cluster.url), ...own });
  const slots = moving.partitions.map((partition) => slotOf(partition.key('')));
  const [from, to] = cluster.nodes;
  const idOf = async (node?: ClusterNode): Promise<string> => String(await node?.client.call('CLUSTER', 'MYID'));
  const [fromId, toId] = [await idOf(from), await idOf(to)];
  // The first third of the slots is the first node's.
  const [one = 0, another = 0] = numbers.filter((number) => (slots[number] ?? 0) < Math.floor(16_384 / 3));
  const slot = slots[one] ?? 0;
  // The client does not know of it: nothing of that service was written yet, so no keys move.
  await to?.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await from?.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  for (const node of [to, from]) await node?.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  const owner = async ({ client }: ClusterNode): Promise<number | undefined> => {
    const ranges = (await client.call('CLUSTER', 'SLOTS')) as [
      first: number,
      last: number,
      owner: [host: string, port: number],
    ][];
    return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
  };
  // Whichever is asked then says so: a write is sent on once only.
  await until(async () => (await Promise.all(cluster.nodes.map(owner))).every((port) => port === to?.port));
  t.deepEqual(await Promise.all([one, another, one].map((number) => add(number, 'together', moving))), [1, 1, 2]);
  await own.lifecycle.stop('tested');
});

test.serial('what was taken for a node that has its keys no more, as the client learns then, is sent to another', async (t) => {
  const client = connectRedisOrCluster(new Secret(cluster.url), log) as Cluster;
  await untilConnected(client, lifecycle);
  const { key } = store.of('hurried');
  const slot = slotOf(key('hurried'));
  const written = new DurableWrites(client).write(ADD, [key('hurried'), key('last')], ['hurried']);
  client.slots[slot] = client.slots[(slot + 8_192) % 16_384] ?? [];
  t.is(await written, 1);
  await closeRedis(client);
});

test.serial('writes go on where a partition has moved to, and are of another epoch there', async (t) => {
  await settled('moved');
  // As by a clock that was ahead.
  const ahead = Date.now() + 3_600_000;
  for (const each of store.partitions) await store.ask((redis) => redis.hset(each.key('epoch'), 'number', ahead));
  let last = await epochs();
  for (const nodes of [cluster.nodes.slice(3), cluster.nodes.slice(0, 3)]) {
    await takeOver(nodes);
    const next = await settled('moved');
    t.true(
      next.every((epoch, at) => epoch > (last[at] ?? 0)),
      `${last} ${next}`,
    );
    last = next;
  }
});

test.serial('a server that begins again goes on with what it answered, in the same epoch', async (t) => {
  const before = await settled('again');
  const [first, , , replica] = cluster.nodes;
  // It is back before its replica takes its place.
  await replica?.client.config('SET', 'cluster-replica-no-failover', 'yes');
  await first?.kill();
  await first?.start();
  t.deepEqual(await settled('again'), before);
  t.true((await addAll('again')).every((count) => Number(count) >= 3));
  await replica?.client.config('SET', 'cluster-replica-no-failover', 'no');
});

test.serial('while a node hangs, its partitions are away and the others go on', async (t) => {
  await addAll('hangs');
  // One that has not the first partition: probes ask for all of them.
  const isIn = await Promise.all(
    [0, 1, 2].map(async (each) => (await keysOf(each)).includes(store.partitions[0]?.key('hangs') ?? '')),
  );
  const hanging = isIn.indexOf(false);
  const [node, replica] = [cluster.nodes[hanging], cluster.nodes[hanging + 3]];
  const ofIt = (await keysOf(hanging)).filter((key) => key.endsWith(':hangs')).map((key) => Number(/:(\d\d)}/.exec(key)?.[1]));
  const others = numbers.filter((number) => !ofIt.includes(number));
  t.true(ofIt.length > 0 && others.length > 0);
  // Its replica does not take its place meanwhile.
  await replica?.client.config('SET', 'cluster-replica-no-failover', 'yes');
  await node?.kill('SIGSTOP');
  try {
    await t.throwsAsync(add(ofIt[0] ?? 0, 'hangs'), { code: 'STORE_UNAVAILABLE' });
    await settles(() => Promise.all(others.map((number) => add(number, 'hangs'))));
    t.truthy((await lifecycle.unready()).redis);
    await until(async () => (await lifecycle.degraded())['redis, writing'] !== undefined);
  } finally {
    await node?.kill('SIGCONT');
    await replica?.client.config('SET', 'cluster-replica-no-failover', 'no');
  }
  await settles(() => addAll('hangs'));
});

test.serial('a node that is killed is followed by its replica', async (t) => {
  await until(async () => (await replicas()).length === 3);
  await addAll('killed');
  await cluster.nodes[1]?.kill();
  await settles(() => addAll('killed'));
  await until(async () => Object.keys({ ...(await lifecycle.unready()), ...(await lifecycle.degraded()) }).length === 0);
  await cluster.nodes[1]?.start();
  t.pass();
});

test.serial('where replicas must have it, what none has is not answered', async (t) => {
  const own = testProcess('test-replicas');
  const strict = await openPartitionedRedis({ service: 'strict', url: new Secret(cluster.url), replicas: 1, ...own });
  await until(async () => (await replicas()).length === 3);
  await settles(() => Promise.all(numbers.map((number) => add(number, 'strict', strict))));
  const paused = await replicas();
  await Promise.all(paused.map((replica) => replica.kill('SIGSTOP')));
  try {
    await t.throwsAsync(add(0, 'alone', strict), { code: 'STORE_UNAVAILABLE' });
    t.is(await add(0, 'alone'), 1, 'one that asks for none');
  } finally {
    await Promise.all(paused.map((replica) => replica.kill('SIGCONT')));
  }
  await settles(() => add(0, 'alone', strict));
  await own.lifecycle.stop('tested');
});
