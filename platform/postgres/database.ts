import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge } from '@prometheus-io/client';
import { Pool, type PoolClient, types } from 'pg';
import { patiently } from '../concurrency/patience.ts';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { callerGone, storeUnavailable } from '../errors.ts';
import { pruneHourly } from '../operations/retention.ts';
import type { Secret } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { sparing } from '../process/probe.ts';
import { metrics, SpanKind, withSpan } from '../process/telemetry.ts';
import { keepMade } from '../process/upkeep.ts';
import { isAborted, isConflict, isServerTrouble, isStalePlan, toStoreError } from './errors.ts';
import { createDatabase, migrate, PLATFORM_MIGRATIONS } from './migrate.ts';
import { type Database, type OpenTransaction, type Query, sql } from './sql.ts';
import { makeTables, pruneOperations, writeProbe } from './tables.ts';

export { isStatementTimeout, isUniqueViolation } from './errors.ts';
export {
  columnOf,
  type Database,
  fieldOf,
  fieldsOf,
  identifier,
  join,
  nullsAbsent,
  type OpenTransaction,
  Query,
  sql,
  type Transaction,
} from './sql.ts';

export interface DatabaseOptions {
  /** The server, with a database and a user that may create databases (unless `database` exists). */
  url: Secret;
  /** Created when missing. */
  database: string;
  /** A folder of `NNNN-name.sql`, each run once, in order. */
  migrations: URL;
  /** The most connections, 8 by default. */
  max?: number;
  log: Logger;
  lifecycle: Lifecycle;
  /** Whether the platform's tables (operations, outbox) are wanted; true by default. */
  outbox?: boolean;
  /** Whether the process does useful work without it: then its absence makes it degraded only; false by default. */
  beside?: boolean;
}

/** After conflicts; a stale plan is none of them. */
const ATTEMPTS = 5;

const connections = new Gauge({
  name: 'musubi_postgres_connections',
  help: 'Connections of the pool, by database and state (idle, busy, waited for)',
  labelNames: ['database', 'state'],
  registers: [metrics],
});

/**
 * Opens a service's own database: creates it when missing, runs the migrations, keeps the platform's tables made, registers
 * probes and stop. Without an answer the process is not ready. While writes fail, one with an outbox, which lives by them,
 * is not ready either; one without is degraded.
 * Waits up to a minute for a server that is not there yet. A server that goes away later fails calls with
 * UNAVAILABLE until it is back; nothing has to be restarted.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { database, log, lifecycle } = options;
  const withOutbox = options.outbox !== false;
  const sets = [...(withOutbox ? [PLATFORM_MIGRATIONS] : []), { name: '', folder: options.migrations }];
  const setUp = async (): Promise<void> => {
    await createDatabase(options.url, database);
    await migrate(options.url, database, sets, log);
  };
  const patience = { server: 'PostgreSQL', toKnown: toStoreError, log, lifecycle };
  await patiently(setUp, patience);

  const pool = connect(options);
  const postgres = new PostgresDatabase(pool, database);
  lifecycle.onStop(`postgres ${database}`, 'stores', () => pool.end());
  const answers = () => postgres.query(sql`select 1`);
  if (options.beside) lifecycle.onHealthy(`postgres ${database}`, answers);
  else lifecycle.onReady(`postgres ${database}`, answers);
  await patiently(() => keepMade(`tables of ${database}`, () => makeTables(postgres, withOutbox), options), patience);
  const write = sparing(() => postgres.query(writeProbe(withOutbox)));
  if (withOutbox) lifecycle.onReady(`postgres ${database}, writing`, write);
  else lifecycle.onHealthy(`postgres ${database}, writing`, write);
  if (withOutbox) pruneHourly(() => pruneOperations(postgres), options);
  return postgres;
}

function connect({ url, database, max = 8, log }: DatabaseOptions): Pool {
  const address = new URL(url.reveal());
  address.pathname = `/${database}`;
  const pool = new Pool({
    connectionString: address.href,
    application_name: 'musubi',
    max,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    statement_timeout: 10_000,
    lock_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
    // A server that vanished without a word (no FIN) is given up after this.
    query_timeout: 12_000,
    types: { getTypeParser: (oid, format) => (oid === types.builtins.INT8 ? safeInteger : types.getTypeParser(oid, format)) },
  });
  // Without listeners a lost connection would end the process; whoever uses it gets the error anyway.
  pool.on('error', (error) => log.warn({ database, reason: error.message }, 'lost an idle database connection'));
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pool;
}

/** Versions and counts are int8; a JavaScript number holds them exactly up to 2^53. */
function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond what a number holds exactly`);
  return value;
}

class PostgresDatabase implements Database {
  readonly #pool: Pool;
  readonly #attributes: Record<string, string>;

  constructor(pool: Pool, database: string) {
    this.#pool = pool;
    this.#attributes = { 'db.system.name': 'postgresql', 'db.namespace': database };
    const show = (): void => {
      connections.set({ database, state: 'idle' }, pool.idleCount);
      connections.set({ database, state: 'busy' }, pool.totalCount - pool.idleCount);
      connections.set({ database, state: 'waited for' }, pool.waitingCount);
    };
    pool.on('acquire', show);
    pool.on('release', show);
  }

  query<R>(query: Query, signal?: AbortSignal): Promise<R[]> {
    const work = (client: PoolClient): Promise<R[]> => {
      // It may have waited long for a connection.
      if (signal?.aborted) throw callerGone();
      return send(client, query);
    };
    return this.#traced('postgres query', () => this.#run(async (client) => await work(client)));
  }

  transaction<T>(work: (tx: OpenTransaction) => Promise<T>): Promise<T> {
    return this.#traced('postgres transaction', () => this.#run((client) => runTransaction(client, work)));
  }

  async #run<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    for (let attempt = 1, stale = 0; ; ) {
      try {
        return await this.#withClient(use);
      } catch (error) {
        // It takes its connection with it, so there are no more of them than connections.
        if (isStalePlan(error) && stale++ < this.#pool.options.max) continue;
        if (attempt++ === ATTEMPTS || !isConflict(error)) throw toStoreError(error);
        await sleep(Math.random() * 10 * 2 ** attempt);
      }
    }
  }

  async #withClient<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    // What keeps us from connecting (no server, no room, a password that was changed) is no fault of the statement.
    const client = await this.#pool.connect().catch((error: unknown) => Promise.reject(storeUnavailable(error)));
    let broken = false;
    try {
      return await use(client);
    } catch (error) {
      broken = isServerTrouble(error) || isStalePlan(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  #traced<T>(name: string, work: () => Promise<T>): Promise<T> {
    return withSpan(name, { kind: SpanKind.CLIENT, attributes: this.#attributes }, work);
  }
}

async function runTransaction<T>(client: PoolClient, work: (tx: OpenTransaction) => Promise<T>): Promise<T> {
  // Everything that was sent: the commit waits for all of it, so that no statement's failure goes unseen.
  const sent: Promise<unknown>[] = [];
  const track = (promise: Promise<unknown>): void => {
    promise.catch(() => undefined); // seen at the commit, or by who awaits it
    sent.push(promise);
  };
  track(client.query('begin'));
  let result: T;
  try {
    result = await work({
      query<R>(query: Query) {
        const rows = send<R>(client, query);
        track(rows);
        return rows;
      },
      defer: (query) => track(send(client, query)),
    });
  } catch (error) {
    await client.query('rollback').catch(() => client.end().catch(() => undefined));
    throw isAborted(error) ? await firstFailure(sent, error) : error;
  }
  const commit = client.query('commit');
  const outcomes = await Promise.allSettled([...sent, commit]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
  // The server answers the commit of a transaction that failed with ROLLBACK, not with an error.
  if ((await commit).command !== 'COMMIT') throw new Error('the transaction was rolled back by the server');
  return result;
}

/** What a transaction's statements failed by, of which a later one, that failed by this only, was heard of first. */
async function firstFailure(sent: readonly Promise<unknown>[], otherwise: unknown): Promise<unknown> {
  const failed = (await Promise.allSettled(sent)).find((outcome) => outcome.status === 'rejected');
  return failed?.reason ?? otherwise;
}

/** Prepared statements save the parsing and most of the planning; the bound keeps a query built in many shapes from filling the server's memory. */
const PREPARED_AT_MOST = 500;
const prepared = new Map<string, string>();

function statementName(text: string): string | undefined {
  const known = prepared.get(text);
  if (known !== undefined || prepared.size >= PREPARED_AT_MOST) return known;
  const name = `s${prepared.size}`;
  prepared.set(text, name);
  return name;
}

async function send<R>(client: PoolClient, query: Query): Promise<R[]> {
  const text = query.text;
  const { rows } = await client.query({ text, name: statementName(text), values: [...query.values] });
  return rows as R[];
}
