import { z } from 'zod';
import type { EventMessage } from '#platform/kafka/event-message.ts';
import { PoisonError } from '#platform/kafka/poison.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { identifier, join, type Query, sql } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import { PARSING } from '#platform/validation/schema.ts';

/** The types of a read model's columns. */
type ColumnType = 'text' | 'text[]' | 'boolean' | 'bigint' | 'timestamptz' | 'jsonb';

interface Definition<Payload extends z.ZodRawShape, Columns extends Record<string, ColumnType>> {
  /** "member" */
  aggregateType: string;
  /** The read model. Besides `columns` it has `id` (its key), `version`, and `gone_at`, which is set when the aggregate is gone. */
  table: string;
  columns: Columns;
  /** What the row is made from. Other fields are passed over: they are of a newer writer. */
  payload: Payload;
  /** What it is a part of, with the column that has the ID of that: once that is gone, nothing is left of its parts, whatever is told later. */
  within?: { of: Projection; by: keyof Columns & string };
  /** The row that an event makes; undefined: the aggregate is gone, and of its row only the version stays for a while. */
  row(payload: z.output<z.ZodObject<Payload>>): Record<keyof Columns, unknown> | undefined;
}

/** How many rows a statement empties or deletes at once, so that it ends long before its time is over. */
const AT_ONCE = 5_000;

/** How the events of one aggregate type become rows. */
export interface Projection {
  aggregateType: string;
  topic: string;
  table: string;
  /** The names of its columns. */
  columns: readonly string[];
  /**
   * The statement that brings the read model to these events, in any order and however often they come: what is not
   * newer than its row changes nothing.
   * @throws PoisonError when an event is not what the contract says
   */
  statement(events: readonly EventMessage[]): Query;
  /** The version that the aggregate whose ID is `id` (an SQL expression) has in the read model; null if none. */
  versionOf(id: Query): Query;
  /** Which aggregates the read model has, in the order of their IDs: `id`, `version`, and whether it is known to be `gone`. */
  copies(which: Which): Query;
  /** Some of those that are known to be gone, in the order of their IDs. Its rows: `id`. */
  gone(after: string, limit: number): Query;
  /** Empties the rows for which this holds, as if they had been told to be gone. Its rows: the `id` of each that was not empty. */
  erase(which: Query): Query;
  /** Absent: it is a part of nothing. */
  within?: {
    of: Projection;
    /**
     * Empties rows that have outlived what they were a part of, 5,000 at most: of those with these IDs, or of the parts of these. Its rows:
     * the `id` of each. It may have missed what another transaction has written meanwhile, so readers look by themselves whether that is gone.
     */
    eraseOutlived(which: { ids: readonly string[] } | { partsOf: readonly string[] }): Query;
  };
  /**
   * Deletes what has been gone for so long (an SQL interval) that no event of it can still be on its way, 5,000 at most. Its rows: the `id` of
   * each.
   */
  prune(age: string): Query;
}

type Versioned<Payload> = Payload & { version: number };

/** A read model, as its table and the row that an event makes: how rows are written, compared and pruned follows. */
export function defineProjection<Payload extends z.ZodRawShape, Columns extends Record<string, ColumnType>>({
  aggregateType,
  table,
  columns,
  payload,
  within,
  row,
}: Definition<Payload, Columns>): Projection {
  const schema = z.object({ version: int64, ...payload }) as unknown as z.ZodType<Versioned<z.output<z.ZodObject<Payload>>>>;
  const into = identifier(table);
  const names = Object.keys(columns);
  const list = join(names.map(identifier));
  const typed = join(Object.entries(columns).map(([name, type]) => sql`${identifier(name)} ${TYPES[type]}`));
  const excluded = join(names.map((name) => sql`${identifier(name)} = excluded.${identifier(name)}`));
  const emptied = sql`gone_at = now(), ${join(names.map((name) => sql`${identifier(name)} = null`))}`;
  const stateOf = (event: EventMessage) => {
    const made = event.data === null ? undefined : row(parsed(schema, event));
    return { id: event.subject, version: event.version, gone: made === undefined, ...made };
  };
  return {
    aggregateType,
    topic: topicOf(aggregateType),
    table,
    columns: names,
    statement(events) {
      // Rows are always locked in the order of their IDs, so that concurrent batches don't deadlock.
      const states = newest(events.map(stateOf)).sort((a, b) => (a.id < b.id ? -1 : 1));
      return sql`
        insert into ${into} as old (id, version, gone_at, ${list})
        select id, version, case when gone then now() end, ${list}
        from jsonb_to_recordset(${JSON.stringify(states)}::jsonb) as new (id text, version bigint, gone boolean, ${typed})
        on conflict (id) do update set version = excluded.version, gone_at = excluded.gone_at, ${excluded}
        where excluded.version > old.version`;
    },
    versionOf: (id) => sql`select version from ${into} where id = ${id}`,
    copies: (which) => sql`select id, version, gone_at is not null as gone from ${into} ${some(which)}`,
    gone: (after, limit) => sql`select id from ${into} where gone_at is not null and id > ${after} order by id limit ${limit}`,
    erase: (which) => sql`update ${into} set ${emptied} where ${which} and gone_at is null returning id`,
    ...(within && { within: { of: within.of, eraseOutlived: eraseOutlived({ into, emptied, ...within }) } }),
    prune: (age) => sql`
      delete from ${into} where id in (select id from ${into} where gone_at < now() - ${age}::interval limit ${AT_ONCE})
      returning id`,
  };
}

const eraseOutlived =
  ({ into, emptied, of, by }: { into: Query; emptied: Query; of: Projection; by: string }) =>
  (which: { ids: readonly string[] } | { partsOf: readonly string[] }): Query => {
    const whole = identifier(by);
    const those = 'ids' in which ? sql`id = any(${[...which.ids]}::text[])` : sql`${whole} = any(${[...which.partsOf]}::text[])`;
    return sql`
      update ${into} set ${emptied} where id in (
        select id from ${into} part where ${those} and gone_at is null
          and exists (select from ${identifier(of.table)} whole where whole.id = part.${whole} and whole.gone_at is not null)
        limit ${AT_ONCE} for update)
      returning id`;
  };

const some = (which: Which): Query =>
  'ids' in which
    ? sql`where id = any(${[...which.ids]}::text[]) order by id`
    : sql`where id > ${which.after} order by id limit ${which.limit}`;

const TYPES: Record<ColumnType, Query> = {
  text: sql`text`,
  'text[]': sql`text[]`,
  boolean: sql`boolean`,
  bigint: sql`bigint`,
  timestamptz: sql`timestamptz`,
  jsonb: sql`jsonb`,
};

/** The newest state of each aggregate: an upsert can't take two rows of one key. */
function newest<S extends { id: string; version: number }>(states: readonly S[]): S[] {
  const byId = new Map<string, S>();
  for (const state of states) {
    if (state.version > (byId.get(state.id)?.version ?? 0)) byId.set(state.id, state);
  }
  return [...byId.values()];
}

/** From 1 on. proto3 JSON writes an int64 as a string; our services write a number. Both are read. */
export const int64 = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().positive());

/**
 * An event's payload, which tells of the version that its envelope says.
 * @throws PoisonError
 */
function parsed<Payload>(schema: z.ZodType<Versioned<Payload>>, event: EventMessage): Payload {
  const found = schema.safeParse(event.data, PARSING);
  if (!found.success) {
    // Paths and messages only: what the fields hold is personal and does not belong into logs.
    const reasons = found.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new PoisonError(`event ${event.id}: its data is not as agreed: ${reasons.join('; ')}`);
  }
  if (found.data.version !== event.version)
    throw new PoisonError(`event ${event.id}: its data is of version ${found.data.version}, its envelope says otherwise`);
  return found.data;
}
