import type { Admin, Kafka } from 'kafkajs';

export interface TopicOptions {
  /** For topics that are created; 3 by default. More can be added later, but order per key is lost at that moment. */
  partitions?: number;
  /** Copies of each partition; 1 by default. */
  replication?: number;
}

/** Creates the topics that are missing and waits until they have leaders. Safe to call from many processes at once. */
export async function ensureTopics(kafka: Kafka, topics: readonly string[], options: TopicOptions = {}): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter((topic) => !existing.has(topic));
    if (missing.length > 0) await create(admin, missing, options);
  } finally {
    await admin.disconnect();
  }
}

async function create(admin: Admin, topics: string[], { partitions = 3, replication = 1 }: TopicOptions): Promise<void> {
  // Answers false for topics that somebody else has just created.
  await admin.createTopics({
    waitForLeaders: true,
    timeout: 10_000,
    topics: topics.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: replication })),
  });
}
