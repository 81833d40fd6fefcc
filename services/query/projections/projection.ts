import { z } from 'zod';
import type { EventMessage } from '#platform/kafka/event-message.ts';
import { PoisonError } from '#platform/kafka/poison.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { type Query, sql } from '#platform/postgres.ts';
import type { Which } from '#platform/state.ts';
import { PARSING } from '#platform/validation.ts';

/** A state of an aggregate as an event told it. */
export interface AggregateState {
  id: string;
  version: number;
}

interface Definition<S extends AggregateState> {
  /** "member" */
  aggregateType: string;
  /** @throws PoisonError when the event is not what the contract says */
  parse(event: EventMessage): S;
  /** One statement that writes those of the states that are newer than their rows: the others change nothing. */
  upsert(states: readonly S[]): Query;
  /** The version that the aggregate whose ID is `id` (an SQL expression) has in the read model; null if none. */
  versionOf(id: Query): Query;
  /** Which aggregates the read model has: `id`, `version`, and `deleted` when it is known to be gone. In the order of IDs. */
  copies(which: Which): Query;
  /** Deletes what has been gone for so long (an SQL interval) that no event of it can still be on its way. */
  prune(age: string): Query;
}

/** How the events of one aggregate type become rows. */
export interface Projection extends Pick<Definition<AggregateState>, 'aggregateType' | 'versionOf' | 'copies' | 'prune'> {
  topic: string;
  /**
   * The statement that brings the read model to these events, in whatever order and however often they come.
   * @throws PoisonError
   */
  statement(events: readonly EventMessage[]): Query;
}

export function defineProjection<S extends AggregateState>({
  aggregateType,
  parse,
  upsert,
  versionOf,
  copies,
  prune,
}: Definition<S>): Projection {
  return {
    aggregateType,
    topic: topicOf(aggregateType),
    // Rows are always locked in the order of their IDs, so that concurrent batches don't deadlock.
    statement: (events) => upsert(newest(events.map(parse)).sort((a, b) => (a.id < b.id ? -1 : 1))),
    versionOf,
    copies,
    prune,
  };
}

/** The newest state of each aggregate: an upsert can't take two rows of one key. */
function newest<S extends AggregateState>(states: readonly S[]): S[] {
  const byId = new Map<string, S>();
  for (const state of states) {
    if (state.version > (byId.get(state.id)?.version ?? 0)) byId.set(state.id, state);
  }
  return [...byId.values()];
}

/** proto3 JSON writes an int64 as a string; our services write a number. Both are read. */
const version = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().positive());

/** The payload that every event has, with the state that only some have. */
export const payloadOf = <S extends z.ZodRawShape>(state: S) => z.object({ memberId: z.string().min(1), version, ...state });

/**
 * Reads an event's payload, and makes sure that it tells of the aggregate and the version of its envelope.
 * @throws PoisonError
 */
export function parsePayload<T extends { memberId: string; version: number }>(schema: z.ZodType<T>, event: EventMessage): T {
  const parsed = schema.safeParse(event.data, PARSING);
  if (!parsed.success) {
    // Paths and messages only: what the fields hold is personal and does not belong into logs.
    const reasons = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new PoisonError(`event ${event.id}: its data is not as agreed: ${reasons.join('; ')}`);
  }
  const { memberId, version } = parsed.data;
  if (memberId !== event.subject || version !== event.version) {
    throw new PoisonError(`event ${event.id}: its data is of ${memberId} version ${version}, its envelope says otherwise`);
  }
  return parsed.data;
}

/** The end of a statement that reads some of a table. */
export const someOf = (which: Which): Query =>
  'ids' in which
    ? sql`where member_id = any(${[...which.ids]}::text[]) order by member_id`
    : sql`where member_id > ${which.after} order by member_id limit ${which.limit}`;
