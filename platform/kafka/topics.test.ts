import test from 'ava';
import kafkajs from 'kafkajs'; // it exports this enum to CommonJS only
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { kafkaClient } from './client.ts';
import { ensureTopics } from './topics.ts';

const DAY_MS = 86_400_000;
const { log } = testProcess('test-topics');
const kafka = kafkaClient({ brokers: servers.kafka(), clientId: 'test', log });
const admin = kafka.admin();
const made: string[] = [];

test.before(() => admin.connect());
test.after.always(async () => {
  const existing = new Set(await admin.listTopics());
  await admin.deleteTopics({ topics: made.filter((topic) => existing.has(topic)) });
  await admin.disconnect();
});

function ours(suffix: string): string {
  const topic = `${uniqueName('test-topics')}${suffix}`;
  made.push(topic);
  return topic;
}

/** What the broker says of a topic. */
async function kept(topic: string): Promise<{ policy?: string; retentionMs: number }> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy', 'retention.ms'] }],
  });
  const values = new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
  return { policy: values.get('cleanup.policy'), retentionMs: Number(values.get('retention.ms')) };
}

test('the last event of each key is kept for ever, dead letters 30 days', async (t) => {
  const [events, dead] = [ours('.events'), ours('.dead-letter')];
  await ensureTopics(kafka, [events, dead], { partitions: 2 });
  t.is((await kept(events)).policy, 'compact');
  t.deepEqual(await kept(dead), { policy: 'delete', retentionMs: 30 * DAY_MS });
  const { topics } = await admin.fetchTopicMetadata({ topics: [events, dead] });
  t.deepEqual(
    topics.map(({ partitions }) => partitions.length),
    [2, 2],
  );
});

test('events that are no state are kept for the days that their topic is given', async (t) => {
  const [passing, other] = [ours('.events'), ours('.events')];
  await ensureTopics(kafka, [passing, other], { keptDays: { [passing]: 7 } });
  t.deepEqual(await kept(passing), { policy: 'delete', retentionMs: 7 * DAY_MS });
  t.is((await kept(other)).policy, 'compact');
});

test('a topic that exists stays as it is', async (t) => {
  const topic = ours('.events');
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }],
  });
  await ensureTopics(kafka, [topic], { partitions: 5 });
  t.is((await kept(topic)).policy, 'delete');
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  t.is(topics[0]?.partitions.length, 1);
});
