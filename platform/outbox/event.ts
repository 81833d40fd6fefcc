import { randomUUID } from 'node:crypto';
import { currentTraceparent } from '../telemetry.ts';

/** A change that others may want to know of, as a service says it. */
export interface OutboxEvent {
  /** "member", "job", …: the topic is `${aggregateType}.events`. */
  aggregateType: string;
  /** The message's key: events of one aggregate keep their order. */
  aggregateId: string;
  /** The aggregate's version after the change: 1, 2, 3, … */
  version: number;
  /** "member.created" */
  type: string;
  /** The aggregate's whole state after the change; JSON. */
  payload: unknown;
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
  return { ...event, id: randomUUID(), traceparent: currentTraceparent(), time: new Date() };
}

/** Where events of an aggregate type are published. */
export const topicOf = (aggregateType: string): string => `${aggregateType}.events`;
