import test from 'ava';
import type { OutboxRecord } from '../outbox/event.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { kafkaClient } from './client.ts';
import { openPublisher } from './publish.ts';
import { ensureTopics } from './topics.ts';

const { log } = testProcess('publish');
const kafka = kafkaClient({ brokers: servers.kafka(), clientId: 'test', log });

/** A topic that takes no batch above so many bytes, and what is in it. */
async function limited(
  bytes: number,
): Promise<{ aggregateType: string; read(count: number): Promise<string[]>; drop(): Promise<void> }> {
  const aggregateType = uniqueName('test_publish');
  const topic = `${aggregateType}.events`;
  await ensureTopics(kafka, [topic], { partitions: 3 });
  const admin = kafka.admin();
  await admin.connect();
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: 2, name: topic, configEntries: [{ name: 'max.message.bytes', value: String(bytes) }] }],
  });
  return {
    aggregateType,
    async read(count) {
      const consumer = kafka.consumer({ groupId: aggregateType });
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      const got: string[] = [];
      await new Promise<void>((resolve, reject) => {
        const eachMessage = async ({ message }: { message: { key: Buffer | null; headers?: object } }): Promise<void> => {
          const headers = message.headers as Record<string, Buffer>;
          const event = `${message.key}:${headers.ce_aggregateversion}`;
          if (!got.includes(event)) got.push(event);
          if (got.length === count) resolve();
        };
        consumer.run({ eachMessage }).catch(reject);
      });
      await consumer.disconnect();
      await admin.deleteGroups([aggregateType]);
      return got;
    },
    async drop() {
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    },
  };
}

function event(aggregateType: string, aggregateId: string, version: number, bytes: number): OutboxRecord {
  const id = `${aggregateId}-${version}`;
  return {
    id,
    aggregateType,
    aggregateId,
    version,
    type: 'written',
    payload: 'x'.repeat(bytes),
    traceparent: '',
    time: new Date(),
  };
}

test('what a broker does not take at once is sent in parts, and what it never takes is given back', async (t) => {
  const topic = await limited(20_000);
  t.teardown(() => topic.drop());
  const publisher = await openPublisher('test', { brokers: servers.kafka(), clientId: 'test', log });
  const keys = ['a', 'b', 'c', 'd', 'e'];
  const events = Array.from({ length: 100 }, (_, at) =>
    event(topic.aggregateType, keys[at % 5] ?? '', 1 + Math.floor(at / 5), 1_500),
  );
  const large = [event(topic.aggregateType, 'large', 1, 25_000), event(topic.aggregateType, 'large', 2, 50_000)];
  const [first, second] = large;
  if (!first || !second) throw new Error('two');
  const all = [...events.slice(0, 30), first, ...events.slice(30, 31), second, ...events.slice(31)];
  t.deepEqual(await publisher.publish(all), large);
  // What was refused must not confuse the numbers of what follows.
  for (let version = 21; version <= 23; version++) {
    const more = keys.map((key) => event(topic.aggregateType, key, version, 1_500));
    t.deepEqual(await publisher.publish(more), []);
  }
  t.deepEqual(await publisher.publish([second]), [second]);
  t.deepEqual(await publisher.publish([]), []);
  await publisher.close();
  const got = await topic.read(115);
  for (const key of keys) {
    const versions = got.filter((one) => one.startsWith(`${key}:`));
    t.deepEqual(
      versions,
      Array.from({ length: 23 }, (_, at) => `${key}:${at + 1}`),
    );
  }
});
