import type { Duplex } from 'node:stream';
import { Client, type ClientConfig } from 'pg';
import { atMost, pause } from '../concurrency/abort.ts';
import { CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { BATCH } from './source.ts';

export const TABLE = 'outbox';
export const PUBLICATION = 'outbox_pub';

/** A row as the table and the write-ahead log have it, if the table is as its migration made it. */
export interface OutboxRow {
  id: unknown;
  aggregatetype: unknown;
  aggregateid: unknown;
  type: unknown;
  payload: unknown;
  version: unknown;
  traceparent: unknown;
  created_at: unknown;
}

export interface Connection {
  client: Client;
  /** Rejects when the connection ends. Never resolves. */
  lost: Promise<never>;
  close(): Promise<void>;
}

/** @param signal ends the connection, and what waits for an answer with it */
export async function connect(config: ClientConfig, signal?: AbortSignal): Promise<Connection> {
  signal?.throwIfAborted();
  const client = new Client({
    application_name: 'musubi-relay',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    ...config,
  });
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection;
  const abort = (): void => {
    stream.destroy();
  };
  signal?.addEventListener('abort', abort, { once: true });
  const lost = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('the connection to the database ended')));
  });
  lost.catch(() => undefined); // the query that runs fails too
  await client.connect();
  return {
    client,
    lost,
    close: async () => {
      signal?.removeEventListener('abort', abort);
      await atMost(CLOSE_TIMEOUT_MS, client.end());
      stream.destroy();
    },
  };
}

/** The whole outbox as of one moment, each aggregate in its order, page by page. */
export async function* everything(url: string, signal: AbortSignal): AsyncGenerator<OutboxRow[]> {
  const { client, close } = await connect({ connectionString: url }, signal);
  try {
    await client.query('begin read only');
    // One sort for all pages. The cursor sees the table as it was when it was declared.
    await client.query(`declare rows cursor for select * from ${TABLE} order by aggregateid, version, id`);
    for (;;) {
      const { rows } = await client.query<OutboxRow>(`fetch ${BATCH} from rows`);
      if (rows.length === 0) return;
      yield rows;
    }
  } finally {
    await close();
  }
}

/** The ID of the row that is there for the longest time. */
export async function oldest(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(`select id::text from ${TABLE} order by created_at limit 1`);
  return rows[0]?.id;
}

/** What a removal did. */
export interface Removed {
  removed: Set<string>;
  /** Whether it saw what this transaction had written. */
  sees(xid: number): boolean;
}

/** Removes the rows that are visible. */
export async function remove(client: Client, ids: string[]): Promise<Removed> {
  // One statement, so one snapshot.
  const { rows } = await client.query<{ ids: string[]; snapshot: string }>(
    `with removed as (delete from ${TABLE} where id = any($1) returning id::text)
     select array(select id from removed) as ids, pg_current_snapshot()::text as snapshot`,
    [ids],
  );
  const [{ ids: removed, snapshot } = { ids: [], snapshot: '' }] = rows;
  return { removed: new Set(removed), sees: (xid) => snapshotSees(snapshot, xid) };
}

/**
 * Whether a snapshot sees what a committed transaction has written.
 *
 * @param snapshot as PostgreSQL writes a pg_snapshot: `xmin:xmax:xip_list`, transaction IDs of 64 bits
 * @param xid as the log has it: the lower 32 bits of a transaction's ID
 */
export function snapshotSees(snapshot: string, xid: number): boolean {
  const [, end = '0', running = ''] = snapshot.split(':');
  const xmax = BigInt(end);
  // All of its bits: a transaction of which the log tells now is near those that run now.
  const id = xmax - BigInt.asIntN(32, xmax - BigInt(xid));
  return id < xmax && !running.split(',').includes(String(id));
}

/** Whether the publication tells of each row of the table, whole, and only of that table, as its migration made it. */
export async function isPublished(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ whole: boolean }>(
    `select t.rowfilter is null and format('%I.%I', t.schemaname, t.tablename)::regclass = $2::regclass and t.attnames @> array(
         select attname from pg_attribute where attrelid = $2::regclass and attnum > 0 and not attisdropped and attgenerated = ''
       ) as whole
     from pg_publication p join pg_publication_tables t on t.pubname = p.pubname
     where p.pubname = $1 and p.pubinsert and not (p.pubupdate or p.pubdelete or p.pubtruncate)`,
    [PUBLICATION, TABLE],
  );
  return rows.length === 1 && rows[0]?.whole === true;
}

export async function makePublication(client: Client): Promise<void> {
  await client.query(`begin;
    drop publication if exists ${PUBLICATION};
    create publication ${PUBLICATION} for table ${TABLE} with (publish = 'insert');
    commit`);
}

export interface SlotState {
  /** Whether the log can be followed from where it stands. */
  usable: boolean;
  /** Bytes of log that the server keeps for it. */
  retained: number;
}

/** @throws when the slot of this name is another database's */
export async function slotState(client: Client, slot: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<{ here: boolean; usable: boolean; retained: string | null }>(
    `select database = current_database() as here, plugin = 'pgoutput' and wal_status <> 'lost' as usable,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) as retained
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  const [state] = rows;
  if (!state) return undefined;
  if (!state.here) throw new Error(`the replication slot ${slot} belongs to another database: rename one of the two databases`);
  return { usable: state.usable, retained: Number(state.retained ?? 0) };
}

/** Ends whoever still reads from the slot: only the relay that has the lock may, so it is one that has lost it. */
export async function freeSlot(client: Client, slot: string): Promise<void> {
  await client.query(
    'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null',
    [slot],
  );
}

const DROP_ATTEMPTS = 30;

/** Makes the slot, in place of one that can't be used. Waits for the transactions that run on the server, of all databases. */
export async function makeSlot(url: string, slot: string, signal: AbortSignal): Promise<void> {
  const { client, close } = await connect({ connectionString: url }, signal);
  try {
    for (let attempt = 1; (await slotState(client, slot)) !== undefined; attempt++) {
      await freeSlot(client, slot);
      await client.query('select pg_drop_replication_slot($1)', [slot]).catch(async (error: unknown) => {
        if (attempt === DROP_ATTEMPTS) throw error;
        await pause(100, signal); // its reader is just ending
      });
    }
    await client.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  } finally {
    await close();
  }
}
