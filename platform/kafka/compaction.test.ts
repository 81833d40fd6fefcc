import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import kafkajs from 'kafkajs'; // it exports this enum to CommonJS only
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import type { OutboxRecord } from '../outbox/event.ts';
import { until } from '../until.fixture.ts';
import { client, publish, record } from './kafka.fixture.ts';

// What a tombstone does to a real log, on a broker of its own that looks at its logs every half second.

const LAG_MS = 2_000;

let own: OwnServer;
let brokers: string[];
test.before(async () => {
  own = await ownServer('kafka');
  brokers = [own.addresses.MUSUBI_KAFKA_BROKERS ?? ''];
  await configure(kafkajs.ConfigResourceTypes.BROKER, '1', { 'log.cleaner.backoff.ms': '500' });
});
test.after.always(() => own?.stop());

async function configure(type: number, name: string, settings: Record<string, string>): Promise<void> {
  const admin = client(brokers).admin();
  await admin.connect();
  const configEntries = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }));
  await admin.alterConfigs({ validateOnly: false, resources: [{ type, name, configEntries }] });
  await admin.disconnect();
}

/** All that is in a topic of one partition, with the key of each. */
async function all(topic: string): Promise<string[]> {
  const kafka = client(brokers);
  const admin = kafka.admin();
  await admin.connect();
  const [{ high } = { high: '0' }] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: `reader-${Math.random()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: string[] = [];
  let isRead = false;
  await consumer.run({
    eachMessage: async ({ message: { key, value, offset } }) => {
      found.push(`${key} ${value}`);
      // The last one of a log is never dropped.
      if (BigInt(offset) === BigInt(high) - 1n) isRead = true;
    },
  });
  await until(() => isRead, `${topic} is read`);
  await consumer.disconnect();
  return found;
}

test('after two tombstones, the second one later than the lag, nothing of a key is left; others keep their last state', async (t) => {
  const [type, topic] = ['forgotten', 'forgotten.events'];
  const event = (key: string, version: number, payload: unknown): OutboxRecord => ({ ...record(type, key, version), payload });
  const send = (...events: OutboxRecord[]) => publish(events, 1, brokers);
  await send(event('a', 1, { name: 'Zwq One' }), event('b', 1, { name: 'Taro' }), event('a', 2, { name: 'Zwq Two' }));
  await configure(kafkajs.ConfigResourceTypes.TOPIC, topic, {
    'cleanup.policy': 'compact',
    'max.compaction.lag.ms': String(LAG_MS),
  });
  await send(event('a', 3, { deleted: true }), event('b', 2, { name: 'Taro Two' }), event('a', 4, null));
  await sleep(LAG_MS + 3_000);
  t.is((await all(topic)).length, 6, 'one is not enough: its segment is open');
  await send(event('a', 5, null));
  await until(async () => !(await all(topic)).join().includes('Zwq'), 'it is forgotten');
  t.deepEqual(
    (await all(topic)).filter((line) => !line.endsWith(' null')),
    ['b {"name":"Taro Two"}'],
  );
});
