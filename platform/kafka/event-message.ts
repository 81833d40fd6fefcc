import type { IHeaders } from 'kafkajs';
import { z } from 'zod';
import type { OutboxRecord } from '../outbox/event.ts';
import { PARSING } from '../validation/schema.ts';
import { PoisonError } from './poison.ts';

/**
 * An event as a subscriber gets it: a CloudEvent 1.0 in the binary mode of its Kafka protocol binding.
 * It may come more than once, and after a resend an older one may follow a newer one of the same aggregate:
 * readers ignore a version that is not above the one they have.
 */
export interface EventMessage {
  topic: string;
  partition: number;
  offset: string;
  /** The same whenever this event is sent again. */
  id: string;
  /** "member.created" */
  type: string;
  /** "/musubi/member" */
  source: string;
  time: Date;
  /** The aggregate's ID, which is the message's key. */
  subject: string;
  /** The aggregate's version after the change. */
  version: number;
  /** The trace that the change was made in. */
  traceparent?: string;
  /** The parsed JSON of the value; null for a tombstone, after which the topic forgets what it had of the aggregate. */
  data: unknown;
}

const CONTENT_TYPE = 'application/json';
/** What decides on the partition in place of the message's key. CloudEvents, "Partitioning" extension */
export const PARTITION_KEY = 'ce_partitionkey';

export interface WireMessage {
  key: string;
  /** Null: a tombstone. */
  value: string | null;
  headers: Record<string, string>;
}

/** An event as it goes over the wire; `source` is the service that wrote it. */
export function toWire(event: OutboxRecord, source: string, traceparent: string): WireMessage {
  return {
    key: event.aggregateId,
    value: event.payload === null ? null : JSON.stringify(event.payload),
    headers: {
      'content-type': CONTENT_TYPE,
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_type: event.type,
      ce_source: `/musubi/${source}`,
      ce_time: event.time.toISOString(),
      ce_subject: event.aggregateId,
      // CloudEvents allows lower-case letters and digits only in the names of extensions.
      ce_aggregateversion: String(event.version),
      ...(event.orderKey ? { [PARTITION_KEY]: event.orderKey } : {}),
      ...(traceparent ? { traceparent } : {}),
    },
  };
}

const headers = z.object({
  'content-type': z.string().startsWith(CONTENT_TYPE),
  ce_specversion: z.literal('1.0'),
  ce_id: z.string().min(1),
  ce_type: z.string().min(1),
  ce_source: z.string().min(1),
  ce_time: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
  ce_subject: z.string().min(1),
  ce_aggregateversion: z.coerce.number().int().positive(),
  traceparent: z.string().optional(),
});

/** What a consumer gets of one record. */
export interface ReceivedMessage {
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers?: IHeaders;
}

/** @throws PoisonError when the record is not an event of ours */
export function fromWire(topic: string, partition: number, message: ReceivedMessage): EventMessage {
  const text = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, value?.toString()]));
  const parsed = headers.safeParse(text, PARSING);
  if (!parsed.success) {
    throw new PoisonError(
      `not a CloudEvent: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
    );
  }
  const event = parsed.data;
  return {
    topic,
    partition,
    offset: message.offset,
    id: event.ce_id,
    type: event.ce_type,
    source: event.ce_source,
    time: event.ce_time,
    subject: event.ce_subject,
    version: event.ce_aggregateversion,
    ...(event.traceparent ? { traceparent: event.traceparent } : {}),
    data: jsonOf(message.value),
  };
}

function jsonOf(value: Buffer | null): unknown {
  if (value === null) return null;
  const parsed = parse(value.toString('utf8'));
  // Only a message without a value is a tombstone, for that is what brokers take for one.
  if (parsed === null) throw new PoisonError('its value is null');
  return parsed;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own words quote what it could not parse.
    throw new PoisonError('its value is not JSON');
  }
}
