import { Histogram } from '@prometheus-io/client';
import type { EventMessage } from '#platform/kafka/event-message.ts';
import { type EventHandler, type Subscription, subscribe } from '#platform/kafka/subscribe.ts';
import { pruneHourly } from '#platform/operations/retention.ts';
import type { Database, Query } from '#platform/postgres/database.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { notification } from './notifications.ts';
import { followTopics, notePositions } from './positions.ts';
import { PROJECTIONS } from './projections/registry.ts';
import { DATABASE, generationOf } from './store.ts';
import { tidy } from './tidy.ts';
import type { Visibility } from './visibility.ts';

/** How the names of the consumer groups begin, of this read model and of earlier ones. */
export const GROUPS = 'query.';

const delay = new Histogram({
  name: 'musubi_projection_delay_seconds',
  help: 'Time from an event to its being visible to queries, by topic',
  labelNames: ['topic'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
  registers: [metrics],
});

/**
 * Keeps the read models up to date with the services' events. Any number of processes share the work.
 *
 * The consumer group is named after the read model's generation: processes over one database are one group, and a
 * read model that was made again, whose group has no offsets, is built from the first event on. To rebuild, drop the
 * database and start again; an older copy of it is brought up to date by `node main.ts retell`.
 */
export async function startProjector(
  o: Pick<Subscription, 'brokers' | 'partitions' | 'replication'> & {
    db: Database;
    visibility: Visibility;
    log: Logger;
    lifecycle: Lifecycle;
  },
): Promise<void> {
  const { db, visibility, brokers, partitions, replication, log, lifecycle } = o;
  const generation = await generationOf(db);
  const handle: EventHandler = async (events) => visibility.announce(await project(db, events));
  subscribe({
    brokers,
    partitions,
    replication,
    group: `${GROUPS}${generation.slice(0, 8)}`,
    handlers: Object.fromEntries(PROJECTIONS.map((projection) => [projection.topic, handle])),
    fromBeginning: true,
    log,
    lifecycle,
  });
  followTopics({ db, brokers, log, lifecycle });
  pruneHourly(() => tidy(db), { database: DATABASE, log, lifecycle });
}

/**
 * Brings the read models to these events, all or none of them, in one transaction and one round trip.
 *
 * @returns what is visible now
 * @throws PoisonError when one of them is not what the contract says
 */
export async function project(db: Database, events: readonly EventMessage[]): Promise<AggregateVersion[]> {
  const statements: Query[] = [];
  const visible = new Map<string, AggregateVersion>();
  for (const { topic, aggregateType, statement, within } of PROJECTIONS) {
    const wholes = within ? subjectsIn(within.of.topic, events) : [];
    if (within && wholes.length > 0) statements.push(within.eraseOutlived({ partsOf: wholes }));
    const mine = events.filter((event) => event.topic === topic);
    if (mine.length === 0) continue;
    statements.push(statement(mine));
    if (within) statements.push(within.eraseOutlived({ ids: subjectsIn(topic, mine) }));
    for (const { subject: id, version } of mine) {
      const key = `${aggregateType}:${id}`;
      if (version > (visible.get(key)?.version ?? 0)) visible.set(key, { type: aggregateType, id, version });
    }
  }
  const versions = [...visible.values()];
  if (events.length > 0) statements.push(notePositions(events));
  await db.transaction((tx) => Promise.all([...statements, notification(versions)].map((query) => tx.query(query))));
  const now = Date.now();
  for (const event of events) delay.observe({ topic: event.topic }, Math.max(0, now - event.time.getTime()) / 1_000);
  return versions;
}

const subjectsIn = (topic: string, events: readonly EventMessage[]): string[] =>
  events.flatMap((event) => (event.topic === topic ? [event.subject] : []));
