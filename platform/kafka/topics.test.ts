import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import kafkajs from 'kafkajs'; // it exports this enum to CommonJS only
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { kafkaClient } from './client.ts';
import { COMPACTED_WITHIN_MS, ensureTopics } from './topics.ts';

const DAY_MS = 86_400_000;
const LAG = 'max.compaction.lag.ms';
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

/** A broker hears of a topic a moment after its creation is acknowledged: until then it is a missing one. */
async function known(topic: string): Promise<void> {
  await until(async () => (await admin.listTopics()).includes(topic));
}

/** What the broker says of a topic. */
async function kept(topic: string): Promise<{ policy?: string; retentionMs: number; lagMs: number }> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy', 'retention.ms', LAG] }],
  });
  const values = new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
  const number = (name: string): number => Number(values.get(name));
  return { policy: values.get('cleanup.policy'), retentionMs: number('retention.ms'), lagMs: number(LAG) };
}

test('the last event of each key is kept for ever, dead letters 30 days', async (t) => {
  const [events, dead] = [ours('.events'), ours('.dead-letter')];
  await ensureTopics(kafka, [events, dead], { partitions: 2 });
  t.like(await kept(events), { policy: 'compact', lagMs: COMPACTED_WITHIN_MS });
  t.like(await kept(dead), { policy: 'delete', retentionMs: 30 * DAY_MS });
  const { topics } = await admin.fetchTopicMetadata({ topics: [events, dead] });
  t.deepEqual(
    topics.map(({ partitions }) => partitions.length),
    [2, 2],
  );
});

test('events that are no state are kept for the days that their topic is given', async (t) => {
  const [passing, other] = [ours('.events'), ours('.events')];
  await ensureTopics(kafka, [passing, other], { keptDays: { [passing]: 7 } });
  t.like(await kept(passing), { policy: 'delete', retentionMs: 7 * DAY_MS });
  t.is((await kept(other)).policy, 'compact');
});

test('a topic that exists stays as it is', async (t) => {
  const topic = ours('.events');
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] }],
  });
  await known(topic);
  await ensureTopics(kafka, [topic], { partitions: 5 });
  t.is((await kept(topic)).policy, 'delete');
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  t.is(topics[0]?.partitions.length, 1);
});

test('a compacted topic of an earlier release is compacted in time from then on, and keeps its other settings', async (t) => {
  const topic = ours('.events');
  const configEntries = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'retention.ms', value: '123456789' },
  ];
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1, configEntries }] });
  await known(topic);
  await Promise.all([ensureTopics(kafka, [topic]), ensureTopics(kafka, [topic])]);
  // A broker goes by what was changed a moment after that is acknowledged.
  const lag = async (ms: number) => {
    await until(async () => (await kept(topic)).lagMs === ms);
  };
  await lag(COMPACTED_WITHIN_MS);
  t.deepEqual(await kept(topic), { policy: 'compact', retentionMs: 123_456_789, lagMs: COMPACTED_WITHIN_MS });

  const shorter = {
    type: kafkajs.ConfigResourceTypes.TOPIC,
    name: topic,
    configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
  };
  const sooner = { ...shorter, configEntries: [...shorter.configEntries, { name: LAG, value: '60000' }] };
  await admin.alterConfigs({ validateOnly: false, resources: [sooner] });
  await lag(60_000);
  await ensureTopics(kafka, [topic]);
  await sleep(300);
  t.is((await kept(topic)).lagMs, 60_000, 'sooner is as well');
});
