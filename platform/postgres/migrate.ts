import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Client, escapeIdentifier } from 'pg';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import type { Secret } from '../process/config.ts';
import type { Logger } from '../process/log.ts';

/** Numbered SQL files of one owner. `name` keeps the owners' numbers apart; the service's own is ''. */
export interface MigrationSet {
  name: string;
  folder: URL;
}

/** The tables that platform/operations and platform/outbox use. */
export const PLATFORM_MIGRATIONS: MigrationSet = { name: 'platform', folder: new URL('./migrations/', import.meta.url) };

/** Advisory lock keys; any constants, the same in every process. */
const CREATE_LOCK = 7_201_001;
const MIGRATE_LOCK = 7_201_002;
const FILE = /^\d{4}-[a-z0-9-]+\.sql$/;

/** Creates `database` on the server of `url` unless it is there. Safe to call from many processes at once. */
export async function createDatabase(url: Secret, database: string): Promise<void> {
  await withClient(url.reveal(), async (client) => {
    const exists = async (): Promise<boolean> =>
      (await client.query('select 1 from pg_database where datname = $1', [database])).rowCount === 1;
    if (await exists()) return;
    await client.query('select pg_advisory_lock($1)', [CREATE_LOCK]);
    if (!(await exists())) await client.query(`create database ${escapeIdentifier(database)}`);
  });
}

/**
 * Runs what has not run yet, each file in a transaction of its own, under an advisory lock: of many processes
 * one does it and the others wait.
 *
 * @throws when a file that has run was changed since: write a new one instead
 */
export async function migrate(url: Secret, database: string, sets: MigrationSet[], log: Logger): Promise<void> {
  const address = new URL(url.reveal());
  address.pathname = `/${database}`;
  await withClient(address.href, async (client) => {
    await client.query('select pg_advisory_lock($1)', [MIGRATE_LOCK]);
    await client.query(`create table if not exists schema_migrations (
      name text primary key, sha256 text not null, applied_at timestamptz not null default now())`);
    const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from schema_migrations');
    const applied = new Map(rows.map((row) => [row.name, row.sha256]));
    for (const set of sets) {
      for (const file of (await readdir(set.folder)).filter((entry) => FILE.test(entry)).sort()) {
        const text = await readFile(new URL(file, set.folder), 'utf8');
        const name = set.name ? `${set.name}/${file}` : file;
        const sha256 = createHash('sha256').update(text).digest('hex');
        const known = applied.get(name);
        if (known === sha256) continue;
        if (known !== undefined)
          throw new Error(`migration ${name} has run on ${database} and was changed since: add a new file instead`);
        await client.query('begin');
        await client.query(text);
        await client.query('insert into schema_migrations (name, sha256) values ($1, $2)', [name, sha256]);
        await client.query('commit');
        log.info({ database, migration: name }, 'migrated');
      }
    }
  });
}

/** Advisory locks and open transactions end with the connection, so no failure leaves any behind. */
async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({
    connectionString: url,
    application_name: 'musubi-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => undefined); // the query that runs gets it too
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
