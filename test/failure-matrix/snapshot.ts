import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { address } from '../client.ts';

/**
 * What is kept on purpose, whatever became of the saga, by the name of its table, collection or key.
 * Everything else that names an aggregate must be as before, or exactly done.
 */
export const MEMORY: readonly RegExp[] = [
  // What keeps repeats and late arrivals out, and what was told.
  /^musubi_\w+\.operations$/,
  /^musubi_\w+\.outbox$/,
  // A version is never given twice, also when the roles are gone.
  /^musubi_role\.member_role_versions$/,
  // The job itself: that it was asked for, and how it ended.
  /^redis\.job:/,
  /^redis\.outbox:job$/,
  // The job's events on their way to sockets, and that sockets were closed: as long as a token lives.
  /^redis\.ws:(events|seen|closed):/,
];

/**
 * Fields that an undo can't give back:
 * - version: every change has its own, the undo's too, or readers would not take it
 * - updatedAt: Auth's date of the document's last write, the undo's too; nobody is shown it. (A member's
 *   `updated_at`, which queries show, is compared: undos give it back.)
 */
const MOVING = new Set(['version', 'updatedAt']);

const DATABASES = ['musubi_member', 'musubi_role', 'musubi_query'];

/** Every row, document and key of every store that names one of the IDs; sorted, so that two can be compared. */
export type Snapshot = string[];

/** Looks into all stores at once; open it once and use it for every case. */
export class Stores {
  readonly #pools = DATABASES.map((database) => {
    const url = new URL(address('MUSUBI_POSTGRES_URL'));
    url.pathname = `/${database}`;
    return { database, pool: new pg.Pool({ connectionString: url.href, max: 2 }) };
  });
  readonly #mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));
  readonly #redis = new Redis(address('MUSUBI_REDIS_URL'), { enableAutoPipelining: true });

  async snapshot(ids: readonly string[]): Promise<Snapshot> {
    const parts = await Promise.all([
      ...this.#pools.map(({ database, pool }) => rows(database, pool, ids)),
      documents(this.#mongo, ids),
      keys(this.#redis, ids),
    ]);
    return parts.flat().sort();
  }

  /** The names of all that there is: tables, collections and keys. */
  async names(): Promise<string[]> {
    const [tables, collections, found] = await Promise.all([
      Promise.all(this.#pools.map(async ({ database, pool }) => (await tablesOf(pool)).map((table) => `${database}.${table}`))),
      collectionsOf(this.#mongo),
      this.#redis.keys('*'),
    ]);
    return [...tables.flat(), ...collections.map((name) => `musubi_auth.${name}`), ...found.map((key) => `redis.${key}`)];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.map(({ pool }) => pool.end()), this.#mongo.close(), this.#redis.quit()]);
  }
}

const isMemory = (name: string): boolean => MEMORY.some((pattern) => pattern.test(name));

async function tablesOf(pool: pg.Pool): Promise<string[]> {
  const tables = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );
  return tables.rows.map(({ name }) => name);
}

async function rows(database: string, pool: pg.Pool, ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const table of await tablesOf(pool)) {
    const name = `${database}.${table}`;
    if (isMemory(name)) continue;
    const here = await pool.query<{ row: object }>(
      `select to_jsonb(t) as row from "${table}" t where to_jsonb(t)::text ilike any($1)`,
      [ids.map((id) => `%${id}%`)],
    );
    for (const { row } of here.rows) {
      // The read model keeps a gone member's version for a while, and nothing else of it.
      if (database === 'musubi_query' && isTombstone(row)) continue;
      found.push(`${name} ${JSON.stringify(row, still)}`);
    }
  }
  return found;
}

function isTombstone(row: object): boolean {
  const { id: _, version: __, gone_at, ...rest } = row as Record<string, unknown>;
  return gone_at != null && Object.values(rest).every((value) => value === null);
}

const collectionsOf = async (mongo: MongoClient): Promise<string[]> =>
  (await mongo.db('musubi_auth').listCollections().toArray()).map(({ name }) => name);

async function documents(mongo: MongoClient, ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const collection of await collectionsOf(mongo)) {
    const name = `musubi_auth.${collection}`;
    if (isMemory(name)) continue;
    for await (const document of mongo.db('musubi_auth').collection(collection).find()) {
      const text = JSON.stringify(document, still);
      if (mentions(text, ids)) found.push(`${name} ${text}`);
    }
  }
  return found;
}

async function keys(redis: Redis, ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of redis.scanStream({ count: 1_000 })) {
    const looked = (batch as string[]).filter((key) => !isMemory(`redis.${key}`));
    const contents = await Promise.all(looked.map(async (key) => `redis.${key} ${JSON.stringify(await contentOf(redis, key))}`));
    found.push(...contents.filter((text) => mentions(text, ids)));
  }
  // A scan may come by a key twice.
  return [...new Set(found)];
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return (await redis.smembers(key)).sort();
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return null; // expired meanwhile
  }
}

const mentions = (text: string, ids: readonly string[]): boolean =>
  ids.some((id) => text.toLowerCase().includes(id.toLowerCase()));

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
        .replaceAll(/"(salt|hash|key)":("[^"]*"|\{[^}]*\})/g, '"$1":<secret>');
    })
    .sort();
}
