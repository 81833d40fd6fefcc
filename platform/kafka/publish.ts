import { type Span, trace } from '@opentelemetry/api';
import { Counter, Histogram } from '@prometheus-io/client';
import { type ICustomPartitioner, type Kafka, type KafkaJSProtocolError, Partitioners, type Producer } from 'kafkajs';
import { type OutboxRecord, topicOf } from '../outbox/event.ts';
import { contextFrom, metrics, SpanKind, traceparentOf, tracerOf } from '../process/telemetry.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { PARTITION_KEY, toWire, type WireMessage } from './event-message.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

const relayed = new Counter({
  name: 'musubi_outbox_relayed_total',
  help: 'Events that Kafka has acknowledged, by the service that wrote them',
  labelNames: ['source'],
  registers: [metrics],
});
const lag = new Histogram({
  name: 'musubi_outbox_lag_seconds',
  help: 'Time from an event (the start of its transaction) to its acknowledgement by Kafka, by the service that wrote it',
  labelNames: ['source'],
  buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
  registers: [metrics],
});

/**
 * The most bytes that are sent at once, below the 1 MiB that brokers take by default: what goes to one partition is one
 * batch to them, which they take whole or refuse.
 */
const REQUEST_AT_MOST = 900_000;
/** MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE: above the topic's max.message.bytes, or the size of its segments. */
const TOO_LARGE = new Set([10, 18]);

/** Publishes the events of one service, in their order. */
export interface Publisher {
  /**
   * Returns when the brokers have every event except those that are too large for them, which it returns. A batch that
   * is too large is sent in parts. Await it before the next call, to keep the order.
   * After an error some events may be published: open a new publisher, whose sequence numbers start from zero.
   */
  publish(events: OutboxRecord[]): Promise<OutboxRecord[]>;
  close(): Promise<void>;
}

/** An event on its way. */
interface Outgoing {
  event: OutboxRecord;
  topic: string;
  message: WireMessage;
  bytes: number;
}

/** Opens an idempotent producer for the events of the service `source`; topics are created when missing. */
export async function openPublisher(source: string, options: KafkaOptions & TopicOptions): Promise<Publisher> {
  const kafka = kafkaClient(options);
  return new KafkaPublisher(kafka, await openProducer(kafka), source, options);
}

async function openProducer(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({
    createPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 5, initialRetryTime: 50 },
  });
  await producer.connect();
  return producer;
}

/** By murmur2 of the key, as every other Kafka client does; of what keeps its order with others, by the key that they share. */
const createPartitioner: ICustomPartitioner = () => {
  const byKey = Partitioners.DefaultPartitioner();
  return ({ message, ...rest }) => {
    const shared = message.headers?.[PARTITION_KEY];
    return byKey({ ...rest, message: typeof shared === 'string' ? { ...message, key: shared } : message });
  };
};

class KafkaPublisher implements Publisher {
  readonly #kafka: Kafka;
  readonly #source: string;
  readonly #topicOptions: TopicOptions;
  readonly #topics = new Set<string>();
  #producer: Producer;
  /** Learnt from what was refused. */
  #atMost = REQUEST_AT_MOST;

  constructor(kafka: Kafka, producer: Producer, source: string, topicOptions: TopicOptions) {
    this.#kafka = kafka;
    this.#producer = producer;
    this.#source = source;
    this.#topicOptions = topicOptions;
  }

  async publish(events: OutboxRecord[]): Promise<OutboxRecord[]> {
    const spans = new Map<OutboxRecord, Span | undefined>();
    const outgoing = events.map((event): Outgoing => {
      const topic = topicOf(event.aggregateType);
      const { span, traceparent } = startSpan(topic, event);
      spans.set(event, span);
      const message = toWire(event, this.#source, traceparent);
      return { event, topic, message, bytes: bytesOf(message) };
    });
    await this.#ensure([...new Set(outgoing.map(({ topic }) => topic))]);
    const tooLarge = await this.#send(outgoing);
    const now = Date.now();
    for (const event of tooLarge) spans.delete(event);
    for (const [event, span] of spans) {
      span?.end();
      lag.observe({ source: this.#source }, Math.max(0, now - event.time.getTime()) / 1_000);
    }
    relayed.inc({ source: this.#source }, spans.size);
    return tooLarge;
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }

  /** @returns the events that are too large by themselves */
  async #send(outgoing: Outgoing[]): Promise<OutboxRecord[]> {
    const bytes = outgoing.reduce((sum, { bytes }) => sum + bytes, 0);
    const [first, ...others] = outgoing;
    if (!first) return [];
    if (bytes > this.#atMost && others.length > 0) return this.#sendHalves(outgoing);
    const byTopic = Map.groupBy(outgoing, ({ topic }) => topic);
    const topicMessages = [...byTopic].map(([topic, all]) => ({ topic, messages: all.map(({ message }) => message) }));
    try {
      await this.#producer.sendBatch({ acks: -1, topicMessages });
      return [];
    } catch (error) {
      if (!isTooLarge(error)) throw error;
    }
    // Other partitions may have accepted their part. This producer would number those events again, and the brokers would
    // refuse the next batch or drop it as a repeat.
    await this.#producer.disconnect();
    this.#producer = await openProducer(this.#kafka);
    if (others.length === 0) return [first.event];
    this.#atMost = Math.min(this.#atMost, bytes / 2);
    return this.#sendHalves(outgoing);
  }

  async #sendHalves(outgoing: Outgoing[]): Promise<OutboxRecord[]> {
    const middle = outgoing.length >> 1;
    const first = await this.#send(outgoing.slice(0, middle));
    return [...first, ...(await this.#send(outgoing.slice(middle)))];
  }

  async #ensure(topics: string[]): Promise<void> {
    const missing = topics.filter((topic) => !this.#topics.has(topic));
    if (missing.length === 0) return;
    await ensureTopics(this.#kafka, missing, this.#topicOptions);
    for (const topic of missing) this.#topics.add(topic);
  }
}

function bytesOf({ key, value, headers }: WireMessage): number {
  const texts = [key, value ?? '', ...Object.entries(headers).flat()];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && error.name === 'KafkaJSProtocolError' && TOO_LARGE.has((error as KafkaJSProtocolError).code);
}

/** The PRODUCER span that continues the trace in which the event was written, and what the message carries of it. */
function startSpan(topic: string, event: OutboxRecord): { span?: Span; traceparent: string } {
  if (!event.traceparent) return { traceparent: '' };
  const attributes = {
    'messaging.system': 'kafka',
    'messaging.destination.name': topic,
    'messaging.message.id': event.id,
    'messaging.kafka.message.key': event.aggregateId,
  };
  const parent = contextFrom(event.traceparent);
  const options = { kind: SpanKind.PRODUCER, attributes, startTime: event.time };
  const span = tracerOf(parent).startSpan(`publish ${topic}`, options, parent);
  return { span, traceparent: traceparentOf(trace.setSpan(parent, span)) };
}
