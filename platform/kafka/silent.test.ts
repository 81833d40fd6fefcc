import test from 'ava';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import { createLogger } from '../process/log.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { client, firsts, joined, member, publish, record } from './kafka.fixture.ts';
import { followBrokers } from './readiness.ts';

// On a Kafka of its own, which is paused, and whose topics are deleted.

let server: OwnServer;
let brokers: string[];
test.before(async () => {
  server = await ownServer('kafka');
  brokers = server.addresses.MUSUBI_KAFKA_BROKERS?.split(',') ?? [];
});
test.after.always(() => server.stop());

test.serial('brokers that hang are told of, by who reads and by who writes, until they answer; nothing is lost', async (t) => {
  const handled: number[] = [];
  const handle = async (events: { version: number }[]): Promise<void> =>
    void handled.push(...events.map(({ version }) => version));
  const reader = await member('hung.events', 'hung', handle, 1, brokers);
  const { lifecycle: writer } = testProcess('writer');
  followBrokers({ brokers, clientId: 'writer', log: createLogger('test', 'silent') }, writer);
  await joined(reader);
  await publish([record('hung', 'a', 1)], 1, brokers);
  await until(() => handled.includes(1), 'the first is handled');
  t.deepEqual(await writer.degraded(), {});

  await server.pause();
  const paused = Date.now();
  const told = async () => (await reader.degraded())['kafka group hung'] ?? '';
  const refused = async () => (await writer.degraded()).kafka !== undefined;
  await until(refused, 'who writes knows');
  await until(async () => /the brokers have not answered for \d+ s/.test(await told()), 'who reads knows');
  t.log(`told after ${Date.now() - paused} ms`);
  await server.resume();

  await joined(reader);
  await joined(writer);
  await publish([record('hung', 'a', 2)], 1, brokers);
  await until(() => handled.includes(2), 'the second is handled');
  t.deepEqual(firsts(handled), [1, 2]);
  await Promise.all([reader.stop('tested'), writer.stop('tested')]);
});

test.serial('topics that are deleted while they are read are made again, and read', async (t) => {
  const handled: string[] = [];
  const lifecycle = await member(
    'deleted.events',
    'deleted',
    async (events) => void handled.push(...events.map(({ subject }) => subject)),
    1,
    brokers,
  );
  await joined(lifecycle);
  await publish([record('deleted', 'before', 1)], 1, brokers);
  await until(() => handled.includes('before'), 'the first is handled');
  const admin = client(brokers).admin();
  await admin.connect();
  const topics = async () => (await admin.listTopics()).filter((topic) => topic.startsWith('deleted.')).sort();
  const all = await topics();
  t.deepEqual(all, ['deleted.dead-letter', 'deleted.events', 'deleted.redrive']);
  await admin.deleteTopics({ topics: all });
  // For a moment the brokers still list what is deleted; what is made again is empty.
  const isEmpty = async () => {
    const partitions = await admin.fetchTopicOffsets('deleted.events').catch(() => [{ high: 'unknown' }]);
    return partitions.every(({ high }) => high === '0');
  };
  await until(async () => (await topics()).length === all.length && (await isEmpty()), 'they are made again');
  await publish([record('deleted', 'after', 1)], 1, brokers);
  await until(() => handled.includes('after'), 'what came after is handled');
  await joined(lifecycle);
  await admin.disconnect();
  await lifecycle.stop('tested');
});
