import { Counter } from '@prometheus-io/client';
import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import type { Logger } from '../log.ts';
import { metrics } from '../telemetry.ts';
import type { ReceivedMessage } from './event-message.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

const parked = new Counter({
  name: 'musubi_dead_letters_total',
  help: 'Messages that were given up and parked, by group and topic',
  labelNames: ['group', 'topic'],
  registers: [metrics],
});

/**
 * Where a group parks the messages that it can not handle: the topic `<group>.dead-letter`. A parked message is the
 * original (key, value, headers) with headers that say where it was and why it is here: `dlq_topic`, `dlq_partition`,
 * `dlq_offset`, `dlq_reason`, `dlq_time`.
 */
export class DeadLetters {
  readonly #kafka: Kafka;
  readonly #group: string;
  readonly #log: Logger;
  readonly #topicOptions: TopicOptions;
  #producer: Promise<Producer> | undefined;

  constructor(kafka: Kafka, group: string, log: Logger, topicOptions: TopicOptions) {
    this.#kafka = kafka;
    this.#group = group;
    this.#log = log;
    this.#topicOptions = topicOptions;
  }

  /** Parks one message; returns when the brokers have it. */
  async park(topic: string, partition: number, message: ReceivedMessage, reason: unknown): Promise<void> {
    const why = reason instanceof Error ? reason.message : String(reason);
    this.#producer ??= this.#open();
    try {
      const producer = await this.#producer;
      const headers = {
        ...message.headers,
        dlq_topic: topic,
        dlq_partition: String(partition),
        dlq_offset: message.offset,
        dlq_reason: why.slice(0, 1_000),
        dlq_time: new Date().toISOString(),
      };
      await producer.send({
        topic: `${this.#group}.dead-letter`,
        acks: -1,
        messages: [{ key: message.key, value: message.value, headers }],
      });
    } catch (error) {
      await this.close();
      throw error;
    }
    parked.inc({ group: this.#group, topic });
    this.#log.error(
      { err: reason, topic, partition, offset: message.offset },
      'a message can not be handled: parked as a dead letter',
    );
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #open(): Promise<Producer> {
    await ensureTopics(this.#kafka, [`${this.#group}.dead-letter`], { ...this.#topicOptions, partitions: 1 });
    const producer = this.#kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    return producer;
  }
}
