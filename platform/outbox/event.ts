import { z } from 'zod';
import { internal } from '../errors.ts';
import { currentTraceparent } from '../process/telemetry.ts';
import { newId } from '../validation/id.ts';

/** A change that others may want to know of, as a service says it. */
export interface OutboxEvent {
  /** "member", "job", …: the topic is `${aggregateType}.events`. */
  aggregateType: string;
  /** The message's key: events of one aggregate keep their order, and of a compacted topic the last one stays. */
  aggregateId: string;
  /** Events with the same one keep their order, whatever aggregates they are of. Default: the aggregate's ID. Only Redis keeps it. */
  orderKey?: string;
  /** The aggregate's version after the change: 1, 2, 3, … */
  version: number;
  /** "member.created" */
  type: string;
  /** The aggregate's whole state after the change; JSON. Null: nothing is to be known of it any more, also in Kafka (a tombstone). */
  payload: unknown;
}

/** Of a store whose outbox has no place for an `orderKey`. @throws an Error for an event that has one: the order would be lost in silence */
export function requireUnordered(events: readonly OutboxEvent[]): void {
  const ordered = events.find(({ orderKey }) => orderKey !== undefined);
  if (ordered) throw new Error(`the event ${ordered.type} has an orderKey, which this store does not keep`);
}

/** An event as an outbox keeps it and the relay reads it. */
export interface OutboxRecord extends OutboxEvent {
  /** A UUID; the CloudEvents id. */
  id: string;
  /** W3C trace context of the call that wrote it; empty when there was none. */
  traceparent: string;
  time: Date;
}

/** Gives an event its ID, its time and the running call's trace. */
export function toRecord(event: OutboxEvent): OutboxRecord {
  return { ...event, id: newId(), traceparent: currentTraceparent(), time: new Date() };
}

/** What an outbox keeps, as its store gives it: an event, if it was written by a program of ours. */
export interface StoredEvent {
  /** Its key in the store, as text. */
  key: string;
  id: unknown;
  aggregatetype: unknown;
  aggregateid: unknown;
  version: unknown;
  type: unknown;
  /** Parsed; or `json`, its text. */
  payload?: unknown;
  json?: unknown;
  traceparent?: unknown;
  time: unknown;
  orderkey?: unknown;
}

const stored = z.object({
  id: z.string().min(1),
  // A part of the topic's name.
  aggregatetype: z.string().regex(/^[a-zA-Z0-9._-]{1,200}$/),
  aggregateid: z.string().min(1),
  version: z.coerce.number().int().positive(),
  type: z.string().min(1),
  traceparent: z.string().default(''),
  time: z.coerce.date(),
  // Streams hold texts only: an empty one is none.
  orderkey: z.string().optional(),
});

/** @throws when it is no event; the message holds nothing of its content */
export function parseStored(row: StoredEvent): OutboxRecord {
  const parsed = stored.safeParse(row);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new Error(`it is not an event: ${faults.join('; ')}`);
  }
  const { aggregatetype: aggregateType, aggregateid: aggregateId, orderkey, ...event } = parsed.data;
  const payload = row.json === undefined ? row.payload : parseJson(row.json);
  // JSON's null is a tombstone; what is missing is a mistake, and would take the key's last state out of a compacted topic.
  if (payload === undefined) throw new Error('it is not an event: payload: is missing');
  return { ...event, aggregateType, aggregateId, payload, ...(orderkey ? { orderKey: orderkey } : {}) };
}

function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text)) as unknown;
  } catch {
    throw new Error('it is not an event: payload: not JSON'); // what the parser says would quote it
  }
}

/** What kind of aggregate a type of event is about: "member" of "member.created". */
export const aggregateOf = (type: string): string => type.slice(0, type.lastIndexOf('.'));

/** Where events of an aggregate type are published. */
export const topicOf = (aggregateType: string): string => `${aggregateType}.events`;

/** Kafka takes messages of up to 1 MiB; an event that no broker takes would hold up all behind it. */
const PAYLOAD_AT_MOST = 900_000;

/** A payload as an outbox stores it. @throws INTERNAL `EVENT_TOO_LARGE`, so that nothing is committed that cannot be published */
export function payloadText(event: OutboxEvent): string {
  const text = JSON.stringify(event.payload ?? null);
  if (Buffer.byteLength(text) <= PAYLOAD_AT_MOST) return text;
  throw internal('EVENT_TOO_LARGE', `the event ${event.type} of ${event.aggregateId} is larger than ${PAYLOAD_AT_MOST} bytes`);
}
