import { Counter, Gauge } from '@prometheus-io/client';
import { type Admin, type Kafka, Partitioners, type Producer } from 'kafkajs';
import type { Logger } from '../process/log.ts';
import { metrics } from '../process/telemetry.ts';
import type { ReceivedMessage } from './event-message.ts';
import { Reopened } from './reopened.ts';
import type { Place } from './standstills.ts';
import { ensureTopics } from './topics.ts';

const parkings = new Counter({
  name: 'musubi_dead_letters_total',
  help: 'Messages that were parked, by group and topic',
  labelNames: ['group', 'topic'],
  registers: [metrics],
});
const parked = new Gauge({
  name: 'musubi_dead_letters_parked',
  help: 'Messages that are parked and wait for somebody to look at them, by group',
  labelNames: ['group'],
  registers: [metrics],
});

/** Where a group parks what it can not read. What is in it is parked: what was redriven or discarded is deleted. */
export const deadLetterTopic = (group: string): string => `${group}.dead-letter`;
/**
 * The topic through which a group receives its parked messages again. The original topic cannot serve: other groups read
 * it too, and compaction would keep the old state as its key's newest.
 */
export const redriveTopic = (group: string): string => `${group}.redrive`;

/** Where a message was at first; of a redriven one its headers say so. */
export function originOf(group: string, topic: string, partition: number, message: ReceivedMessage): Place {
  if (topic !== redriveTopic(group)) return { topic, partition, offset: message.offset };
  const { dlq_topic, dlq_partition, dlq_offset } = message.headers ?? {};
  return { topic: String(dlq_topic), partition: Number(dlq_partition), offset: String(dlq_offset) };
}

/**
 * Parks the messages that a group can not read, in {@link deadLetterTopic}, and knows how many are there. A parked
 * message is the original (key, value, headers) with headers that say where it was and why it is here: `dlq_topic`,
 * `dlq_partition`, `dlq_offset`, `dlq_reason`, `dlq_time`. See redrive.ts for the way back.
 */
export class DeadLetters {
  readonly #kafka: Kafka;
  readonly #group: string;
  readonly #log: Logger;
  readonly #replication: number | undefined;
  readonly #producer: Reopened<Producer>;
  readonly #admin: Reopened<Admin>;

  constructor(kafka: Kafka, group: string, log: Logger, replication: number | undefined) {
    this.#kafka = kafka;
    this.#group = group;
    this.#log = log;
    this.#replication = replication;
    this.#producer = new Reopened(async () => {
      await this.ensureTopics();
      return kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    });
    this.#admin = new Reopened(() => kafka.admin());
  }

  /** Makes the topics of the group's own, where they are missing. */
  async ensureTopics(): Promise<void> {
    const topics = [deadLetterTopic(this.#group), redriveTopic(this.#group)];
    await ensureTopics(this.#kafka, topics, { partitions: 1, replication: this.#replication });
  }

  /** Parks one message; returns when the brokers have it. */
  async park(place: Place, message: ReceivedMessage, reason: Error): Promise<void> {
    const headers = {
      ...message.headers,
      dlq_topic: place.topic,
      dlq_partition: String(place.partition),
      dlq_offset: place.offset,
      dlq_reason: reason.message.slice(0, 1_000),
      dlq_time: new Date().toISOString(),
    };
    const messages = [{ key: message.key, value: message.value, headers }];
    await this.#producer.use((producer) => producer.send({ topic: deadLetterTopic(this.#group), acks: -1, messages }));
    parkings.inc({ group: this.#group, topic: place.topic });
    this.#log.error({ err: reason, group: this.#group, ...place }, 'a message can not be read: parked as a dead letter');
  }

  /**
   * Counts the messages that the group has parked. `high - low` is exact: the topic is never compacted, and letters are
   * deleted from its beginning only.
   */
  async count(): Promise<number> {
    const partitions = await this.#admin.use((admin) => admin.fetchTopicOffsets(deadLetterTopic(this.#group)));
    const count = partitions.reduce((sum, { low, high }) => sum + Number(BigInt(high) - BigInt(low)), 0);
    parked.set({ group: this.#group }, count);
    return count;
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.close(), this.#admin.close()]);
  }
}
