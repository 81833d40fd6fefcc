import { Counter, Gauge } from '@prometheus-io/client';
import { type Admin, type Kafka, Partitioners, type Producer } from 'kafkajs';
import type { Logger } from '../log.ts';
import { metrics } from '../telemetry.ts';
import type { ReceivedMessage } from './event-message.ts';
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
 * By which a group gets what was parked once more. Not by the topic where it was at first: other groups have had it
 * there, and to a compacted topic an old state of a key would be its newest.
 */
export const redriveTopic = (group: string): string => `${group}.redrive`;

/** Where a message was at first; of a redriven one its headers say so. */
export function originOf(group: string, topic: string, partition: number, message: ReceivedMessage): Place {
  if (topic !== redriveTopic(group)) return { topic, partition, offset: message.offset };
  const { dlq_topic, dlq_partition, dlq_offset } = message.headers ?? {};
  return { topic: String(dlq_topic), partition: Number(dlq_partition), offset: String(dlq_offset) };
}

/** How many messages a group has parked: of a topic that nobody compacts, and whose letters are deleted from its beginning on. */
export async function countParked(admin: Admin, group: string): Promise<number> {
  const partitions = await admin.fetchTopicOffsets(deadLetterTopic(group));
  return partitions.reduce((sum, { low, high }) => sum + Number(BigInt(high) - BigInt(low)), 0);
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
  #producer: Promise<Producer> | undefined;
  #admin: Promise<Admin> | undefined;

  constructor(kafka: Kafka, group: string, log: Logger, replication: number | undefined) {
    this.#kafka = kafka;
    this.#group = group;
    this.#log = log;
    this.#replication = replication;
  }

  /** Makes the topics of the group's own, where they are missing. */
  async ensureTopics(): Promise<void> {
    const topics = [deadLetterTopic(this.#group), redriveTopic(this.#group)];
    await ensureTopics(this.#kafka, topics, { partitions: 1, replication: this.#replication });
  }

  /** Parks one message; returns when the brokers have it. */
  async park(place: Place, message: ReceivedMessage, reason: Error): Promise<void> {
    this.#producer ??= this.#open();
    try {
      const producer = await this.#producer;
      const headers = {
        ...message.headers,
        dlq_topic: place.topic,
        dlq_partition: String(place.partition),
        dlq_offset: place.offset,
        dlq_reason: reason.message.slice(0, 1_000),
        dlq_time: new Date().toISOString(),
      };
      await producer.send({
        topic: deadLetterTopic(this.#group),
        acks: -1,
        messages: [{ key: message.key, value: message.value, headers }],
      });
    } catch (error) {
      await this.#closeProducer();
      throw error;
    }
    parkings.inc({ group: this.#group, topic: place.topic });
    this.#log.error({ err: reason, group: this.#group, ...place }, 'a message can not be read: parked as a dead letter');
  }

  /** How many are parked. */
  async count(): Promise<number> {
    this.#admin ??= this.#connectAdmin();
    try {
      const count = await countParked(await this.#admin, this.#group);
      parked.set({ group: this.#group }, count);
      return count;
    } catch (error) {
      await this.#closeAdmin();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#closeProducer(), this.#closeAdmin()]);
  }

  async #closeProducer(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #closeAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #open(): Promise<Producer> {
    await this.ensureTopics();
    const producer = this.#kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    return producer;
  }

  async #connectAdmin(): Promise<Admin> {
    const admin = this.#kafka.admin();
    await admin.connect();
    return admin;
  }
}
