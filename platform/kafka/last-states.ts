import { randomUUID } from 'node:crypto';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

/**
 * The last value of each key in a topic, from its beginning to its present end. It is made where it is missing.
 *
 * A group that exists for this only reads it: what others have read does not matter.
 */
export async function lastStates(
  { partitions, replication, ...options }: KafkaOptions & TopicOptions,
  topic: string,
): Promise<Map<string, string>> {
  const kafka = kafkaClient(options);
  await ensureTopics(kafka, [topic], { ...(partitions ? { partitions } : {}), ...(replication ? { replication } : {}) });
  const admin = kafka.admin();
  await admin.connect();
  const groupId = `${options.clientId}.states-reader.${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
  try {
    const all = await admin.fetchTopicOffsets(topic);
    const ends = new Map(all.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, BigInt(high)]));
    const states = new Map<string, string>();
    if (ends.size === 0) return states;
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      consumer
        .run({
          eachBatch: async ({ batch }) => {
            const { partition } = batch;
            for (const { key, value } of batch.messages) {
              if (key && value) states.set(String(key), String(value));
              else if (key) states.delete(String(key));
            }
            // Compaction leaves the last one of a log in any case.
            if (BigInt(batch.lastOffset()) + 1n >= (ends.get(partition) ?? 0n)) ends.delete(partition);
            if (ends.size === 0) resolve();
          },
        })
        .catch(reject);
    });
    return states;
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect();
  }
}
