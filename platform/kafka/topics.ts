import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin, type Kafka } from 'kafkajs'; // its enums are exported to CommonJS only

export interface TopicOptions {
  /** For topics that are created; 3 by default. More can be added later, but order per key is lost at that moment. */
  partitions?: number;
  /** Copies of each partition; 1 by default. */
  replication?: number;
  /** For how many days the events of a topic are kept, by topic; default: the last event of each key for ever. */
  keptDays?: Readonly<Record<string, number>>;
}

const LEADERS_TIMEOUT_MS = 10_000;
const DAY_MS = 86_400_000;

/**
 * Of a compacted topic, the longest time after which the brokers drop what is no key's last event, ms. They look at segments that are
 * closed only, and close one with the next event that comes so long after its first: who wants something forgotten sends an event of its
 * key twice, the second one so much later (`services/member/erasure.ts`).
 */
export const COMPACTED_WITHIN_MS = 6 * 3_600_000;
const LAG = { name: 'max.compaction.lag.ms', value: String(COMPACTED_WITHIN_MS) };

/** How long the broker keeps what is in a topic; its own default loses state after a week. */
function keeping(topic: string, days: number | undefined): { name: string; value: string }[] {
  const atLeast = (days: number) => [
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'retention.ms', value: String(days * DAY_MS) },
  ];
  // People look at them, which can take a while. A message that another topic took fits, with a few headers more.
  if (/\.(dead-letter|redrive)$/.test(topic))
    return [...atLeast(30), { name: 'max.message.bytes', value: String(16 * 1_048_576) }];
  if (days !== undefined) return atLeast(days);
  // Each event is the whole state of its key: read models are made again from the last one of every key.
  if (topic.endsWith('.events')) return [{ name: 'cleanup.policy', value: 'compact' }, LAG];
  return [];
}

/**
 * Creates the topics that are missing and waits until they have leaders. Those that exist stay as they are, but that compacted ones
 * are compacted in time. Safe to call from many processes at once.
 *
 * `*.events` keep the last event of each key for ever, unless `keptDays` names them; `*.dead-letter` and `*.redrive` keep
 * each message for 30 days.
 */
export async function ensureTopics(kafka: Kafka, topics: readonly string[], options: TopicOptions = {}): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter((topic) => !existing.has(topic));
    if (missing.length > 0) await create(admin, missing, options);
    await compactInTime(
      admin,
      topics.filter((topic) => existing.has(topic) && topic.endsWith('.events')),
    );
  } finally {
    await admin.disconnect();
  }
}

async function compactInTime(admin: Admin, topics: readonly string[]): Promise<void> {
  if (topics.length === 0) return;
  const type = kafkajs.ConfigResourceTypes.TOPIC;
  const described = { includeSynonyms: false, resources: topics.map((name) => ({ type, name })) };
  const { resources } = await admin.describeConfigs(described);
  const late = resources.flatMap(({ resourceName: name, configEntries }) => {
    const values = new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
    const compacted = values.get('cleanup.policy')?.includes('compact') ?? false;
    if (!compacted || Number(values.get(LAG.name)) <= COMPACTED_WITHIN_MS) return [];
    // What is not named goes back to its default.
    const own = configEntries.filter(({ configSource, configName }) => configSource === OF_TOPIC && configName !== LAG.name);
    return [
      {
        type,
        name,
        configEntries: [...own.map(({ configName, configValue }) => ({ name: configName, value: configValue })), LAG],
      },
    ];
  });
  if (late.length > 0) await admin.alterConfigs({ validateOnly: false, resources: late });
}

/** The source of a setting that was made for the topic. */
const OF_TOPIC = 1;

async function create(
  admin: Admin,
  topics: string[],
  { partitions = 3, replication = 1, keptDays = {} }: TopicOptions,
): Promise<void> {
  // Answers false for topics that another process has just created.
  await admin.createTopics({
    waitForLeaders: false,
    timeout: 10_000,
    topics: topics.map((topic) => ({
      topic,
      numPartitions: partitions,
      replicationFactor: replication,
      configEntries: keeping(topic, keptDays[topic]),
    })),
  });
  // kafkajs's own wait fails on a broker that has not heard of the new topic yet.
  for (const deadline = performance.now() + LEADERS_TIMEOUT_MS; !(await haveLeaders(admin, topics)); await sleep(20)) {
    if (performance.now() > deadline) throw new Error(`the topics ${topics.join(', ')} have no leaders`);
  }
}

async function haveLeaders(admin: Admin, topics: string[]): Promise<boolean> {
  try {
    const metadata = await admin.fetchTopicMetadata({ topics });
    if (!metadata.topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)))
      return false;
    // A broker is told of as a leader a moment before it knows that itself.
    await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)));
    return true;
  } catch (error) {
    if ((error as { retriable?: boolean }).retriable) return false;
    throw error;
  }
}
