import type { EventMessage } from '#platform/kafka/event-message.ts';
import { LogEnds } from '#platform/kafka/readiness.ts';
import { type Database, type Query, sql } from '#platform/postgres/database.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { sparing } from '#platform/process/probe.ts';
import { PROJECTIONS } from './projections/registry.ts';

const CHECK_EVERY_MS = 10_000;

/** Up to where a partition was read. */
interface Position {
  topic: string;
  partition: number;
  lastOffset: string;
  eventId: string;
}

const keyOf = ({ topic, partition }: Pick<Position, 'topic' | 'partition'>): string => `${topic} ${partition}`;

/** Notes up to where events were read. Another event where the last one was: its topic was made again. */
export function notePositions(events: readonly EventMessage[]): Query {
  return sql`
    with event as (
      select * from unnest(${events.map(({ topic }) => topic)}::text[], ${events.map(({ partition }) => partition)}::int[],
        ${events.map(({ offset }) => offset)}::bigint[], ${events.map(({ id }) => id)}::text[]) as e (topic, partition, at, id))
    insert into read_positions as had (topic, partition, last_offset, event_id)
    select distinct on (topic, partition) topic, partition, at, id from event order by topic, partition, at desc
    on conflict (topic, partition) do update set
      last_offset = greatest(had.last_offset, excluded.last_offset),
      event_id = case when excluded.last_offset > had.last_offset then excluded.event_id else had.event_id end,
      remade_at = coalesce(had.remade_at, (
        select now() from event e where e.topic = had.topic and e.partition = had.partition and e.at = had.last_offset
          and e.id <> had.event_id limit 1))`;
}

/** All states of a topic have been published again: what it was before does not matter any more. */
export async function settleTopic(db: Database, topic: string): Promise<void> {
  await db.query(sql`delete from read_positions where topic = ${topic}`);
}

/**
 * Says in /healthz which topics were made again after they had been read. What they held before is not in Kafka any more:
 * changes that were not read in time never will be, and a read model that is made again would not have them.
 */
export function followTopics(o: { db: Database; brokers: string[]; log: Logger; lifecycle: Lifecycle }): void {
  const { db, brokers, log, lifecycle } = o;
  const logs = new LogEnds({ brokers, clientId: 'query-topics', log });
  const compare = sparing(async () => {
    // First what was read, for it goes on while the brokers are asked.
    const read = await db.query<Position>(sql`
      select topic, partition, last_offset::text as "lastOffset", event_id as "eventId" from read_positions where remade_at is null`);
    const ends = new Map((await logs.of(PROJECTIONS.map(({ topic }) => topic))).map((end) => [keyOf(end), end.high]));
    // A log that is shorter than what was read of it.
    const beyond = read.filter((position) => {
      const high = ends.get(keyOf(position));
      return high !== undefined && BigInt(position.lastOffset) >= BigInt(high);
    });
    if (beyond.length === 0) return;
    await db.query(sql`
      update read_positions as had set remade_at = now()
      from unnest(${beyond.map(({ topic }) => topic)}::text[], ${beyond.map(({ partition }) => partition)}::int[],
        ${beyond.map(({ eventId }) => eventId)}::text[]) as at (topic, number, event)
      where had.topic = at.topic and partition = number and event_id = event and remade_at is null`);
  }, CHECK_EVERY_MS);
  lifecycle.onAttention('topics', async () => {
    await compare().catch(() => undefined); // that brokers or the database are away is said elsewhere
    const rows = await db.query<{ topic: string }>(
      sql`select distinct topic from read_positions where remade_at is not null order by topic`,
    );
    if (rows.length === 0) return;
    throw new Error(`${rows.map(({ topic }) => topic).join(', ')} was made again and is not whole: node main.ts retell`);
  });
  lifecycle.onStop('topics', 'stores', () => logs.close());
}
