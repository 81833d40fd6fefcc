import { Redis } from 'ioredis';
import { type Collection, MongoClient } from 'mongodb';
import pg from 'pg';
import { type Partition, partitionNumberOf, partitionsOf } from '#platform/redis/partitions.ts';
import { address } from '../client.ts';
import { databaseUrl } from '../evidence.ts';

/**
 * What is kept on purpose, however the saga ended, by the name of its table, collection or key.
 * Everything else that names an aggregate must be as before, or exactly done.
 */
export const MEMORY: readonly RegExp[] = [
  // What keeps repeats and late arrivals out, and what was told.
  /^musubi_\w+\.operations$/,
  /^musubi_\w+\.outbox$/,
  // Who did what, refused, done or undone; and with what that is sealed.
  /^musubi_auth\.(audit_\w+|member_keys)$/,
  // A version is never given twice, also when the roles or bindings are gone.
  /^musubi_role\.member_role_versions$/,
  /^musubi_position\.binding_versions$/,
  // Of a member that is deleted, that nothing begins with it any more, and the job that closed it.
  /^musubi_(group|position)\.closed_members$/,
  // The job itself: that it was asked for, and how it ended.
  /^redis\.job:/,
  /^redis\.outbox:job$/,
  // What happened, on its way to sockets; and that sockets were closed, or followed something: as long as that is kept.
  /^redis\.ws:(events|topic|seen|told|closed|sight|followed):/,
  // As of every store, in each partition; of what is durable; and of a room that is gone what was said in it, until that is removed.
  /^redis\.\{chat:\d\d\}:(outbox|operations?(:.+)?|epoch|durable|write-probe|purging|room:.+:log)$/,
];

/**
 * Fields that an undo can't give back:
 * - version: every change has its own, the undo's too, or readers would not take it
 * - updatedAt: Auth's date of the document's last write, the undo's too; nobody is shown it. (A member's
 *   `updated_at`, which queries show, is compared: undos give it back.)
 * - placed: how often something was put below a group, by which Auth's transactions meet; it only grows
 * - standings: how often it was changed what a member is in groups, by which the reconciler knows what it has compared
 * - tenures, lastTenures: how often a member was bound to a position, and to which, by which a pivot knows whether what was said of that before is so still
 */
const MOVING = new Set(['version', 'updatedAt', 'placed', 'standings', 'tenures', 'lastTenures']);

/** How the databases of services are called, on PostgreSQL and on MongoDB: whichever there are, they are looked into. */
const OURS = /^musubi_/;

const CHAT = partitionsOf('chat');
const CHAT_LISTS = new Set(CHAT.map(({ key }) => key('rooms')));

/** Redis has no indexes: the keys that are named after an aggregate, as the services' stores name them. */
function keysNamed(id: string): string[] {
  const { key } = CHAT[partitionNumberOf(id)] as Partition;
  const ofRoom = ['', ':members', ':read'].map((part) => key(`room:${id}${part}`));
  // Rooms that a member is in are in every partition.
  return [`ws:sockets:${id}`, ...ofRoom, ...CHAT.map((partition) => partition.key(`rooms-of:${id}`))];
}

/** What cases have for IDs: ours, and the names that sagas.ts makes. */
const ANY_ID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|matrix-[\da-f]{16}/g;

/** Rows, documents and keys; sorted, so that two can be compared. */
export type Snapshot = string[];

/** A table or a collection. */
interface Place {
  /** With its database. */
  name: string;
  /** The columns or fields by which its indexes find rows. */
  keys: readonly string[];
}

interface Table extends Place {
  pool: pg.Pool;
  table: string;
}

interface Documents extends Place {
  collection: Collection;
}

interface Places {
  tables: readonly Table[];
  collections: readonly Documents[];
}

/**
 * Looks into all stores at once; open it once and use it for every case.
 *
 * What belongs to a case is looked up by its IDs, by every index of every table and collection, so that a case costs the same
 * however much others have left. What names an ID and has no index for it is found by {@link overlooked}, which reads everything.
 */
export class Stores {
  readonly #pools: ReadonlyMap<string, pg.Pool>;
  readonly #mongo: MongoClient;
  readonly #redis = new Redis(address('MUSUBI_REDIS_URL'), { enableAutoPipelining: true });
  #places: Places = { tables: [], collections: [] };

  private constructor(pools: ReadonlyMap<string, pg.Pool>, mongo: MongoClient) {
    this.#pools = pools;
    this.#mongo = mongo;
  }

  static async open(): Promise<Stores> {
    const pools = (await databases()).map(
      (name) => [name, new pg.Pool({ connectionString: databaseUrl(name), max: 2 })] as const,
    );
    const stores = new Stores(new Map(pools), new MongoClient(address('MUSUBI_MONGODB_URL')));
    stores.#places = await stores.#forgettingPlaces();
    return stores;
  }

  /** What the stores find by these IDs. */
  async snapshot(ids: readonly string[]): Promise<Snapshot> {
    const { tables, collections } = this.#places;
    const parts = await Promise.all([
      ...tables.filter(({ keys }) => keys.length > 0).map((table) => rows(table, ids)),
      ...collections.map((each) => documents(each, ids)),
      contents(this.#redis, ids.flatMap(keysNamed)),
      listed(this.#redis, ids),
    ]);
    return parts.flat().sort();
  }

  /**
   * What names one of these IDs and is in no snapshot of them: in a table, collection or key that is new, in a column without an
   * index, within a text, in capitals.
   */
  async overlooked(ids: readonly string[]): Promise<Snapshot> {
    const everything = await this.#everything(await this.#forgettingPlaces(), (key) => !isMemory(`redis.${key}`));
    const known = new Set(await this.snapshot(ids));
    const wanted = new Set(ids.map((id) => id.toLowerCase()));
    const names = (line: string): boolean => (line.toLowerCase().match(ANY_ID) ?? []).some((id) => wanted.has(id));
    return everything.filter((line) => names(line) && !known.has(line));
  }

  /** All that has one of these texts in it, in any case, also what is kept on purpose. */
  async containing(texts: readonly string[]): Promise<Snapshot> {
    const wanted = texts.map((text) => text.toLowerCase());
    const everything = await this.#everything(await this.#allPlaces(), () => true);
    return everything.filter((line) => wanted.some((text) => line.toLowerCase().includes(text)));
  }

  /** The names of all that there is: tables, collections and keys. */
  async names(): Promise<string[]> {
    const { tables, collections } = await this.#allPlaces();
    const keys = await keysOf(this.#redis);
    return [...[...tables, ...collections].map(({ name }) => name), ...keys.map((key) => `redis.${key}`)];
  }

  async close(): Promise<void> {
    await Promise.all([...[...this.#pools.values()].map((pool) => pool.end()), this.#mongo.close(), this.#redis.quit()]);
  }

  async #everything({ tables, collections }: Places, looked: (key: string) => boolean): Promise<Snapshot> {
    const parts = await Promise.all([
      ...tables.map((table) => rows(table)),
      ...collections.map((each) => documents(each)),
      keysOf(this.#redis).then((keys) => contents(this.#redis, keys.filter(looked))),
    ]);
    return parts.flat();
  }

  /** Without what is kept on purpose. */
  async #forgettingPlaces(): Promise<Places> {
    const { tables, collections } = await this.#allPlaces();
    const forgetting = ({ name }: Place): boolean => !isMemory(name);
    return { tables: tables.filter(forgetting), collections: collections.filter(forgetting) };
  }

  async #allPlaces(): Promise<Places> {
    const tables = await Promise.all([...this.#pools].map(([database, pool]) => tablesOf(database, pool)));
    return { tables: tables.flat(), collections: await collectionsOf(this.#mongo) };
  }
}

async function databases(): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl('postgres') });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>('select datname as name from pg_database');
    return rows.map(({ name }) => name).filter((name) => OURS.test(name));
  } finally {
    await client.end();
  }
}

const isMemory = (name: string): boolean => MEMORY.some((pattern) => pattern.test(name));

/** Every table, and the text columns with which a B-tree of it begins. */
async function tablesOf(database: string, pool: pg.Pool): Promise<Table[]> {
  const { rows } = await pool.query<{ table: string; keys: string[] }>(
    `select c.relname as table, coalesce(array_agg(distinct a.attname::text) filter (where a.attname is not null), '{}') as keys
       from pg_class c
       left join pg_index i on i.indrelid = c.oid
         and exists (select from pg_class x join pg_am m on m.oid = x.relam where x.oid = i.indexrelid and m.amname = 'btree')
       left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] and a.atttypid = 'text'::regtype
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
      group by c.relname`,
  );
  return rows.map(({ table, keys }) => ({ name: `${database}.${table}`, table, keys, pool }));
}

/** @param ids whose rows are looked up. Default: all rows */
async function rows({ name, table, keys, pool }: Table, ids?: readonly string[]): Promise<string[]> {
  const where = ids ? `where ${keys.map((key) => `t.${pg.escapeIdentifier(key)} = any($1)`).join(' or ')}` : '';
  const query = `select to_jsonb(t) as row from ${pg.escapeIdentifier(table)} t ${where}`;
  const found = await pool.query<{ row: object }>(query, ids ? [ids] : []).catch(nothingIfDropped);
  return (
    found.rows
      // The read model keeps a gone member's version for a while, and nothing else of it.
      .filter(({ row }) => !(name.startsWith('musubi_query.') && isTombstone(row)))
      .filter(({ row }) => !(name === 'musubi_group.memberships' && isFormer(row)))
      .map(({ row }) => `${name} ${JSON.stringify(row, still)}`)
  );
}

/** A test that runs beside may drop its own table after tables were listed: it has no rows then. */
function nothingIfDropped(error: unknown): { rows: never[] } {
  const UNDEFINED_TABLE = '42P01'; // https://www.postgresql.org/docs/current/errcodes-appendix.html
  if (error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE) return { rows: [] };
  throw error;
}

/** Of a membership that ended only its version is kept. */
const isFormer = (row: object): boolean =>
  ['joined_at', 'requested_at', 'invited_at', 'expelled_at', 'pending'].every(
    (field) => (row as Record<string, unknown>)[field] === null,
  );

function isTombstone(row: object): boolean {
  const { id: _, version: __, gone_at, ...rest } = row as Record<string, unknown>;
  return gone_at != null && Object.values(rest).every((value) => value === null);
}

/** Every collection of ours, and the fields with which an index of it begins. */
async function collectionsOf(mongo: MongoClient): Promise<Documents[]> {
  const { databases } = await mongo.db().admin().listDatabases({ nameOnly: true });
  const ours = databases.map(({ name }) => mongo.db(name)).filter(({ databaseName }) => OURS.test(databaseName));
  const collections = (await Promise.all(ours.map((database) => database.collections()))).flat();
  return await Promise.all(
    collections.map(async (collection) => {
      const indexes = await collection.indexes();
      const keys = new Set(indexes.flatMap(({ key }) => Object.keys(key).slice(0, 1)));
      return { name: collection.namespace, keys: [...keys], collection };
    }),
  );
}

/** @param ids whose documents are looked up. Default: all documents */
async function documents({ name, keys, collection }: Documents, ids?: readonly string[]): Promise<string[]> {
  const found = collection.find(ids ? { $or: keys.map((key) => ({ [key]: { $in: [...ids] } })) } : {});
  return (await found.toArray()).map((document) => `${name} ${JSON.stringify(document, still)}`);
}

async function keysOf(redis: Redis): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of redis.scanStream({ count: 1_000 })) found.push(...(batch as string[]));
  // A scan may come by a key twice.
  return [...new Set(found)];
}

async function contents(redis: Redis, keys: readonly string[]): Promise<string[]> {
  const found = await Promise.all(keys.map(async (key) => [key, await contentOf(redis, key)] as const));
  return found.flatMap(([key, content]) => {
    if (content === undefined) return [];
    return CHAT_LISTS.has(key) ? (content as string[]).map((id) => inList(key, id)) : `redis.${key} ${JSON.stringify(content)}`;
  });
}

/** Of these IDs those that are in a list: each is a line, so that a list of many is compared with none of the others in it. */
async function listed(redis: Redis, ids: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    [...CHAT_LISTS].map(async (key) => {
      const scores = ids.length > 0 ? await redis.zmscore(key, ...ids) : [];
      return ids.filter((_, at) => scores[at] !== null).map((id) => inList(key, id));
    }),
  );
  return found.flat();
}

const inList = (key: string, id: string): string => `redis.${key} ${JSON.stringify(id)}`;

/** Undefined: there is none. */
async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return (await redis.get(key)) ?? undefined;
    case 'hash':
      // In whichever order they were set.
      return Object.fromEntries(Object.entries(await redis.hgetall(key)).sort());
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return (await redis.smembers(key)).sort();
    case 'zset':
      return CHAT_LISTS.has(key) ? redis.zrange(key, '0', '-1') : redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return undefined;
  }
}

function still(key: string, value: unknown): unknown {
  return MOVING.has(key) ? undefined : value;
}
