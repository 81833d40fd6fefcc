import test, { type ExecutionContext } from 'ava';
import { kafkaClient } from '#platform/kafka/client.ts';
import { type EventMessage, subscribe } from '#platform/kafka/subscribe.ts';
import { topicOf, toRecord } from '#platform/outbox/event.ts';
import { EMIT_LUA, outboxStreams } from '#platform/outbox/redis-outbox.ts';
import { Secret } from '#platform/process/config.ts';
import { openPartitionedRedis, type PartitionedRedis } from '#platform/redis/partitioned.ts';
import { scriptOf } from '#platform/redis/script.ts';
import { servers, testProcess, uniqueName } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { type OwnRedisCluster, ownRedisCluster, takeOver } from '../../test/own-redis-cluster.ts';
import { type RelayProcess, startRelay } from './relay.fixture.ts';

// What a service writes into the outboxes of its partitions, in rooms whose messages keep their order.

const ROOMS = 40;
const WRITE = scriptOf(`${EMIT_LUA} emit(KEYS[1], unpack(ARGV))`);

interface Rooms {
  store: PartitionedRedis;
  source: string;
  received: EventMessage[];
  /** The numbers of the next messages of all rooms, which are written. */
  say(count: number): Promise<void>;
  /** What is missing, or came before an earlier one of its room. */
  faults(): string[];
  unsent(): Promise<number>;
}

async function rooms(t: ExecutionContext, url: Secret, replicas = 0): Promise<Rooms> {
  const name = uniqueName('test_rooms');
  const { log, lifecycle } = testProcess(name);
  const store = await openPartitionedRedis({ service: name, url, replicas, log, lifecycle });
  const received: EventMessage[] = [];
  const topic = topicOf(name);
  subscribe({
    brokers: servers.kafka(),
    group: name,
    handlers: { [topic]: async (events: EventMessage[]) => void received.push(...events) },
    log,
    lifecycle,
  });
  await until(async () => Object.keys(await lifecycle.degraded()).length === 0);
  t.teardown(async () => {
    for (const partition of store.partitions) await store.ask((redis) => redis.del(partition.key('outbox')));
    await lifecycle.stop('tested');
    const admin = kafkaClient({ brokers: servers.kafka(), clientId: 'clean-up', log }).admin();
    await admin.connect();
    const existing = new Set(await admin.listTopics());
    const topics = [topic, `${name}.dead-letter`, `${name}.redrive`].filter((each) => existing.has(each));
    await admin.deleteTopics({ topics });
    await admin.disconnect();
  });

  const said = Array.from({ length: ROOMS }, () => 0);
  const write = async (room: number, number: number): Promise<void> => {
    const id = `room-${room}`;
    const event = { aggregateType: name, aggregateId: `${id}/${number}`, version: 1, type: 'said', payload: { room, number } };
    const { id: eventId, traceparent, time } = toRecord(event);
    const about = [event.aggregateType, event.aggregateId, 1, event.type, JSON.stringify(event.payload), id];
    const given = [eventId, traceparent, time.getTime(), ...about];
    // As its writer does: what may have happened is written again until it has.
    await until(() =>
      store.write(WRITE, [store.of(id).key('outbox')], given).then(
        () => true,
        () => false,
      ),
    );
  };
  return {
    store,
    source: `c=redis:${outboxStreams(name)}`,
    received,
    async say(count) {
      const one = async (room: number): Promise<void> => {
        for (let time = 0; time < count; time++) {
          await write(room, (said[room] ?? 0) + 1);
          said[room] = (said[room] ?? 0) + 1;
        }
      };
      await Promise.all(said.map((_, room) => one(room)));
    },
    faults() {
      const last = new Map<number, number>();
      const wrong: string[] = [];
      for (const { data } of received) {
        const { room, number } = data as { room: number; number: number };
        const before = last.get(room) ?? 0;
        if (number <= before) continue;
        if (number !== before + 1) wrong.push(`room ${room}: ${number} came after ${before}`);
        last.set(room, number);
      }
      for (const [room, count] of said.entries())
        if (last.get(room) !== count) wrong.push(`room ${room}: ${count} were said, ${last.get(room) ?? 0} arrived`);
      return wrong;
    },
    async unsent() {
      const lengths = await Promise.all(store.partitions.map((each) => store.ask((redis) => redis.xlen(each.key('outbox')))));
      return lengths.reduce((sum, length) => sum + length, 0);
    },
  };
}

const relayOf = async (t: ExecutionContext, { source }: Rooms, env: Record<string, string> = {}): Promise<RelayProcess> => {
  const relay = await startRelay([source], env);
  t.teardown(() => relay.kill('SIGKILL'));
  return relay;
};
const complete = ({ faults, unsent }: Rooms): Promise<void> =>
  until(async () => faults().length === 0 && (await unsent()) === 0, 'all has arrived').catch(() => undefined);

test.serial('all partitions are relayed, in order per room, and each room is in one partition of the topic', async (t) => {
  const all = await rooms(t, servers.redis());
  await all.say(10);
  const relay = await relayOf(t, all);
  await all.say(40);
  await complete(all);
  t.deepEqual([all.faults(), await all.unsent()], [[], 0]);
  t.is(new Set(all.received.map(({ id }) => id)).size, ROOMS * 50);
  const places = Map.groupBy(all.received, ({ data }) => (data as { room: number }).room);
  for (const [room, events] of places) t.is(new Set(events.map(({ partition }) => partition)).size, 1, `room ${room}`);
  t.true(new Set(all.received.map(({ partition }) => partition)).size > 1);
  t.is(new Set(all.received.map(({ subject }) => subject)).size, ROOMS * 50, 'the key is the message');
  await relay.isHealthy();
});

test.serial('a relay that is killed is followed by another, which loses nothing', async (t) => {
  const all = await rooms(t, servers.redis());
  const first = await relayOf(t, all);
  const second = await relayOf(t, all);
  await Promise.all([first.isHealthy(), second.isHealthy()]);
  const talking = all.say(60);
  await until(() => all.received.length > ROOMS * 5);
  await first.kill('SIGKILL');
  await talking;
  await complete(all);
  t.deepEqual([all.faults(), await all.unsent()], [[], 0]);
});

test.serial('on a cluster, whose nodes change places, move and are killed', async (t) => {
  const cluster: OwnRedisCluster = await ownRedisCluster({ replicas: 1 });
  t.teardown(() => cluster.stop());
  // A replica has on disk what is answered, so what takes a master's place has it, too.
  const all = await rooms(t, new Secret(cluster.url), 1);
  const relay = await relayOf(t, all, { MUSUBI_REDIS_URL: cluster.url });
  await all.say(10);
  await complete(all);
  t.deepEqual([all.faults(), await all.unsent()], [[], 0]);

  const talking = all.say(60);
  await until(() => all.received.length > ROOMS * 12);
  await takeOver(cluster.nodes.slice(3, 4));
  await until(() => all.received.length > ROOMS * 20);
  const [, second, , , replica] = cluster.nodes;
  await second?.kill();
  await until(async () => (await replica?.client.role())?.[0] === 'master');
  await second?.start();
  await talking;
  await complete(all);
  t.deepEqual([all.faults(), await all.unsent()], [[], 0], relay.output());
  await relay.isHealthy();
});
