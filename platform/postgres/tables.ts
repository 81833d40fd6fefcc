import { OPERATIONS_KEPT_SECONDS, UNDO_KEPT_SECONDS } from '../operations/retention.ts';
import { type Database, type Query, sql } from './sql.ts';

/** Advisory lock key; any constant, the same in every process. */
export const TABLES_LOCK = 7_201_004;

/** What probes write; it has one row. */
const WRITE_PROBE: Record<string, Query> = {
  write_probe: sql`create table if not exists write_probe (one boolean primary key default true check (one), at timestamptz)`,
};

/** The tables of platform/operations and platform/outbox, as the last of their migrations leaves them. */
const WITH_OUTBOX: Record<string, Query> = {
  ...WRITE_PROBE,
  operations: sql`create table if not exists operations (
    id text collate "C" primary key,
    step text not null,
    state text not null check (state in ('done', 'final', 'erased', 'undone')),
    result json,
    undo json,
    at timestamptz not null default now(),
    undo_of text)`,
  operations_state_at: sql`create index if not exists operations_state_at on operations (state, at)`,
  operations_undo_of: sql`create index if not exists operations_undo_of on operations (undo_of) where undo_of is not null`,
  outbox: sql`create table if not exists outbox (
    id uuid primary key,
    aggregatetype text not null,
    aggregateid text not null,
    type text not null,
    payload jsonb not null,
    version bigint not null,
    traceparent text not null default '',
    created_at timestamptz not null default now())`,
  outbox_created_at: sql`create index if not exists outbox_created_at on outbox (created_at)`,
};

const tablesOf = (outbox: boolean): Record<string, Query> => (outbox ? WITH_OUTBOX : WRITE_PROBE);

/**
 * Makes those of the platform's tables and indexes that are missing. (The relay makes the publication.) They hold nothing
 * that a service tells of itself, so they may be empty; a service's own tables are not made again, for it would hide that
 * their data is gone. (`if not exists` sees what another process has just made; `to_regclass`, in its cache, may not.)
 */
export async function makeTables(db: Database, outbox: boolean): Promise<void> {
  const names = Object.keys(tablesOf(outbox));
  const missing = sql`select name from unnest(${names}::text[]) with ordinality as wanted (name, place)
    where to_regclass(name) is null order by place`;
  if ((await db.query(missing)).length === 0) return;
  await db.transaction(async (tx) => {
    await tx.query(sql`select pg_advisory_xact_lock(${TABLES_LOCK})`);
    // What another process made while this one waited may still be missing here: PostgreSQL remembers what it did not find.
    for (const { name } of await tx.query<{ name: string }>(missing)) await tx.query(tablesOf(outbox)[name] as Query);
  });
}

const WRITE = sql`insert into write_probe (at) values (now()) on conflict (one) do update set at = excluded.at`;

/** A write that fails where a service's writes would: without a table or a right, on a full or read-only server. */
export const writeProbe = (outbox: boolean): Query =>
  outbox
    ? sql`with operation as (insert into operations (id, step, state) select '', '', 'done' where false),
        event as (insert into outbox (id, aggregatetype, aggregateid, type, payload, version)
          select gen_random_uuid(), '', '', '', '{}', 1 where false)
        ${WRITE}`
    : WRITE;

/** The most records that one statement forgets; more of them would reach the time limit of statements. */
const PRUNED_AT_ONCE = 10_000;

/** Forgets what undos need and then the records themselves, when their time is over. */
export async function pruneOperations(db: Database): Promise<void> {
  // What another process prunes at the same time is passed over.
  const older = (states: string[], seconds: number): Query => sql`select id from operations
    where state = any(${states}) and at < now() - make_interval(secs => ${seconds}) limit ${PRUNED_AT_ONCE} for update skip locked`;
  const all = async (statement: Query): Promise<void> => {
    while ((await db.query(statement)).length === PRUNED_AT_ONCE);
  };
  await all(sql`update operations set state = 'final', undo = null, undo_of = null
    where id in (${older(['done'], UNDO_KEPT_SECONDS)}) returning 1`);
  await all(sql`delete from operations
    where id in (${older(['done', 'final', 'erased', 'undone'], OPERATIONS_KEPT_SECONDS)}) returning 1`);
}
