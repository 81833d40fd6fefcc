import { type Span, trace } from '@opentelemetry/api';
import { Counter, Histogram } from '@prometheus-io/client';
import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import { type OutboxRecord, topicOf } from '../outbox/event.ts';
import { contextFrom, metrics, SpanKind, traceparentOf } from '../telemetry.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { toWire, type WireMessage } from './event-message.ts';
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

/** Publishes the events of one service, in their order. */
export interface Publisher {
  /**
   * Returns when the brokers have all of them. Wait for it before the next call: that keeps the order.
   * After an error some may have been published; use a new publisher, whose sequence numbers begin anew.
   */
  publish(events: OutboxRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens an idempotent producer for the events of the service `source`; topics are created when missing. */
export async function openPublisher(source: string, options: KafkaOptions & TopicOptions): Promise<Publisher> {
  const kafka = kafkaClient(options);
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner, // murmur2 of the key, as every other Kafka client does
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 5, initialRetryTime: 50 },
  });
  await producer.connect();
  return new KafkaPublisher(kafka, producer, source, options);
}

class KafkaPublisher implements Publisher {
  readonly #kafka: Kafka;
  readonly #producer: Producer;
  readonly #source: string;
  readonly #topicOptions: TopicOptions;
  readonly #topics = new Set<string>();

  constructor(kafka: Kafka, producer: Producer, source: string, topicOptions: TopicOptions) {
    this.#kafka = kafka;
    this.#producer = producer;
    this.#source = source;
    this.#topicOptions = topicOptions;
  }

  async publish(events: OutboxRecord[]): Promise<void> {
    const byTopic = new Map<string, WireMessage[]>();
    const spans = events.map((event) => {
      const topic = topicOf(event.aggregateType);
      const { span, traceparent } = startSpan(topic, event);
      const messages = byTopic.get(topic) ?? [];
      messages.push(toWire(event, this.#source, traceparent));
      byTopic.set(topic, messages);
      return span;
    });
    await this.#ensure([...byTopic.keys()]);
    await this.#producer.sendBatch({ acks: -1, topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })) });
    const now = Date.now();
    for (const span of spans) span?.end();
    for (const event of events) lag.observe({ source: this.#source }, Math.max(0, now - event.time.getTime()) / 1_000);
    relayed.inc({ source: this.#source }, events.length);
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }

  async #ensure(topics: string[]): Promise<void> {
    const missing = topics.filter((topic) => !this.#topics.has(topic));
    if (missing.length === 0) return;
    await ensureTopics(this.#kafka, missing, this.#topicOptions);
    for (const topic of missing) this.#topics.add(topic);
  }
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
  const span = trace
    .getTracer('musubi')
    .startSpan(`publish ${topic}`, { kind: SpanKind.PRODUCER, attributes, startTime: event.time }, parent);
  return { span, traceparent: traceparentOf(trace.setSpan(parent, span)) };
}
