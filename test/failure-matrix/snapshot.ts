import { MongoClient } from 'mongodb';
import pg from 'pg';
import { address } from '../client.ts';

/** What a store keeps on purpose after everything is undone: the memory that keeps repeats and late arrivals out. */
const MEMORY = new Set([
  'operations',
  'outbox',
  'outbox_slots',
  'schema_migrations',
  'member_role_versions',
  'leases',
  'relay',
  'secrets',
]);
/** Fields that may differ between "before" and "undone": a version is never given twice. */
const MOVING = new Set(['version', 'updated_at', 'updatedAt', 'applied_at']);
const DATABASES = ['musubi_member', 'musubi_role', 'musubi_query'];

/** Every row and document of every store that names one of the IDs; sorted, so that two can be compared. */
export type Snapshot = string[];

/** Looks into all stores at once; open it once and use it for every case. */
export class Stores {
  readonly #pools = DATABASES.map((database) => {
    const url = new URL(address('MUSUBI_POSTGRES_URL'));
    url.pathname = `/${database}`;
    return { database, pool: new pg.Pool({ connectionString: url.href, max: 2 }) };
  });
  readonly #mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));

  async snapshot(ids: readonly string[]): Promise<Snapshot> {
    const parts = await Promise.all([
      ...this.#pools.map(({ database, pool }) => rows(database, pool, ids)),
      this.#documents(ids),
    ]);
    return parts.flat().sort();
  }

  async #documents(ids: readonly string[]): Promise<string[]> {
    const db = this.#mongo.db('musubi_auth');
    const found: string[] = [];
    for (const { name } of await db.listCollections().toArray()) {
      if (MEMORY.has(name)) continue;
      for await (const document of db.collection(name).find()) {
        const text = JSON.stringify(document, still);
        if (ids.some((id) => text.includes(id))) found.push(`auth.${name} ${text}`);
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.map(({ pool }) => pool.end()), this.#mongo.close()]);
  }
}

async function rows(database: string, pool: pg.Pool, ids: readonly string[]): Promise<string[]> {
  const tables = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );
  const found: string[] = [];
  for (const { name } of tables.rows) {
    if (MEMORY.has(name)) continue;
    const here = await pool.query<{ row: object }>(
      `select to_jsonb(t) as row from "${name}" t where to_jsonb(t)::text ilike any($1)`,
      [ids.map((id) => `%${id}%`)],
    );
    for (const { row } of here.rows) {
      // The read model keeps a gone member's version for a while, and nothing else of it.
      if (database === 'musubi_query' && isTombstone(row)) continue;
      found.push(`${database}.${name} ${JSON.stringify(row, still)}`);
    }
  }
  return found;
}

function isTombstone(row: object): boolean {
  const { deleted_at, role_ids, display_name, login_id } = row as Record<string, unknown>;
  if (Array.isArray(role_ids)) return role_ids.length === 0;
  return deleted_at != null && display_name == null && login_id == null;
}

function still(key: string, value: unknown): unknown {
  return MOVING.has(key) ? undefined : value;
}

/** A snapshot with a case's own IDs, hashes and times taken out, so that two cases can be compared. */
export function shape(snapshot: Snapshot, names: Record<string, string>): Snapshot {
  return snapshot
    .map((line) => {
      let text = line;
      for (const [name, id] of Object.entries(names)) text = text.replaceAll(new RegExp(id, 'gi'), `<${name}>`);
      return text
        .replaceAll(/"\d{4}-\d\d-\d\dT[^"]+"/g, '<time>')
        .replaceAll(/"(salt|hash)":("[^"]*"|\{[^}]*\})/g, '"$1":<secret>');
    })
    .sort();
}
