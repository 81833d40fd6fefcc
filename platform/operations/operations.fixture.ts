import type { ClientSession } from 'mongodb';
import type { GetOperationResponse, ListOperationsResponse } from '#proto/musubi/operation/v1/operation.ts';
import type { Erased } from '../erasure.ts';
import { failedPrecondition } from '../errors.ts';
import { pruneOperations as pruneCollections } from '../mongo/collections.ts';
import { type Mongo, openMongo } from '../mongo/database.ts';
import { type Database, openDatabase, sql, type Transaction } from '../postgres/database.ts';
import { pruneOperations as pruneTables } from '../postgres/tables.ts';
import { openPartitionedRedis, type PartitionedRedis } from '../redis/partitioned.ts';
import type { Partition } from '../redis/partitions.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { newId } from '../validation/id.ts';
import * as onMongo from './mongo.ts';
import type { OutboxEvent } from './postgres.ts';
import * as onPostgres from './postgres.ts';
import * as onRedis from './redis.ts';

/** An operation that has written and not yet committed. */
export interface Held {
  done: Promise<unknown>;
  letGo(): void;
  fail(error: Error): void;
}

/** A tiny service on one kind of store: it keeps a value for each ID; `put` sets it, its undo puts back what was. */
export interface Fixture {
  ready(): Promise<void>;
  close(): Promise<void>;
  newId(): string;
  /** `name` '' sends no operation ID; the value 'refuse me' is refused with LAST_ADMIN. */
  put(id: string, name: string, value: string): Promise<{ id: string; was: string | null }>;
  undo(id: string, name: string): Promise<void>;
  get(id: string, name: string): Promise<GetOperationResponse>;
  list(id: string, page: { after?: string; pageSize?: number }): Promise<ListOperationsResponse>;
  state(id: string): Promise<{ value: string | null; events: string[] }>;
  /** Everything that is kept of the operation, as one text. */
  record(id: string, name: string): Promise<string>;
  /** Makes what is kept of the operation so many days older, and what is thereby too old is pruned. */
  age(id: string, name: string, days: number): Promise<void>;
  /** Forgets what is kept of these members for undos. @returns of how many operations */
  erase(ids: readonly string[]): Promise<Erased[]>;
  /** A put that stands still between its writes and its commit. */
  hold?(id: string, name: string, value: string): Promise<Held>;
  /** A put whose connection dies between its writes and its commit. */
  crash?(id: string, name: string, value: string): Promise<unknown>;
}

const operationId = (id: string, name: string): string => name && `${id}/${name}`;
const event = (type: string, id: string, value?: string): OutboxEvent => ({
  aggregateType: 'thing',
  aggregateId: id,
  version: 1,
  type,
  payload: { id, ja: '結び', nothing: null },
  ...(value === 'order me' ? { orderKey: 'some' } : {}),
});

function refuse(value: string): void {
  if (value === 'refuse me') throw failedPrecondition('LAST_ADMIN', 'as asked');
}

interface Kept {
  id: string;
  was: string | null;
}

/** What only the undo is given. */
interface Before extends Kept {
  name: string;
}

/** What `put` is asked. @template Tx what `before`, which is called between its writes and its commit, is given */
interface Put<Tx> {
  operationId: string;
  id: string;
  value: string;
  before: (tx: Tx) => Promise<unknown>;
}

const DAY_MS = 86_400_000;

function postgres(): Fixture {
  const database = uniqueName('test_operations');
  const { log, lifecycle } = testProcess(database);
  let pruning = Promise.resolve();
  let db: Database;
  const write = async (tx: Transaction, id: string, value: string | null): Promise<void> => {
    await tx.query(sql`delete from things where id = ${id}`);
    if (value !== null) await tx.query(sql`insert into things (id, value) values (${id}, ${value})`);
  };
  const step: onPostgres.Step<Put<Transaction>, Kept, Before> = {
    async do(tx, { id, value, before }) {
      const [row] = await tx.query<{ value: string }>(sql`select value from things where id = ${id}`);
      await write(tx, id, value);
      await before(tx);
      refuse(value);
      const kept = { id, was: row?.value ?? null };
      return { result: kept, kept: { ...kept, name: 'Hanako' }, keptOf: id, events: [event('put', id, value)] };
    },
    async undo(tx, { id, was }) {
      await write(tx, id, was);
      return { events: [event('unput', id)] };
    },
  };
  const put = (id: string, name: string, value: string, before: Put<Transaction>['before'] = async () => undefined) =>
    onPostgres.runStep(db, 'put', step, { operationId: operationId(id, name), id, value, before });
  return {
    newId,
    put,
    async ready() {
      db = await openDatabase({
        url: servers.postgres(),
        database,
        migrations: new URL('./', import.meta.url),
        log,
        lifecycle,
        max: 16,
      });
      await db.query(sql`create table things (id text primary key, value text not null)`);
    },
    async close() {
      await lifecycle.stop('tested');
      await dropDatabase(servers.postgres(), database);
    },
    undo: (id, name) => onPostgres.undoOperation(db, operationId(id, name), { put: step }),
    get: (id, name) => onPostgres.getOperation(db, operationId(id, name)),
    list: (within, { after = '', pageSize = 1_000 }) => onPostgres.operationsWithin(db, { within, after, pageSize }),
    async state(id) {
      const [row] = await db.query<{ value: string }>(sql`select value from things where id = ${id}`);
      // As they were written: created_at is when a transaction began, also one that then waited for another.
      const events = await db.query<{ type: string }>(
        sql`select type from outbox where aggregateid = ${id} order by xmin::text::bigint`,
      );
      return { value: row?.value ?? null, events: events.map(({ type }) => type) };
    },
    async record(id, name) {
      return JSON.stringify(await db.query(sql`select * from operations where id = ${operationId(id, name)}`));
    },
    async age(id, name, days) {
      const older = sql`at - make_interval(secs => ${(days * DAY_MS) / 1_000})`;
      await db.query(sql`update operations set at = ${older} where id = ${operationId(id, name)}`);
      // Of two at a time each passes over what the other works on, and may end before the other.
      pruning = pruning.then(() => pruneTables(db));
      await pruning;
    },
    erase: (ids) => db.transaction((tx) => onPostgres.eraseUndos(tx, ids)),
    hold: (id, name, value) => held((before) => put(id, name, value, before)),
    crash: (id, name, value) => put(id, name, value, (tx) => tx.query(sql`select pg_terminate_backend(pg_backend_pid())`)),
  };
}

function mongodb(): Fixture {
  const database = uniqueName('test_operations');
  const { log, lifecycle } = testProcess(database);
  let mongo: Mongo;
  const things = () => mongo.db.collection<{ _id: string; value: string }>('things');
  const records = () => mongo.db.collection<{ _id: string; at: Date }>('operations');
  const write = async (session: ClientSession, id: string, value: string | null): Promise<void> => {
    await things().deleteOne({ _id: id }, { session });
    if (value !== null) await things().insertOne({ _id: id, value }, { session });
  };
  const step: onMongo.Step<unknown, Put<void>, Kept, Before> = {
    async do({ session }, { id, value, before }) {
      const row = await things().findOne({ _id: id }, { session });
      await write(session, id, value);
      await before();
      refuse(value);
      const kept = { id, was: row?.value ?? null };
      return { result: kept, kept: { ...kept, name: 'Hanako' }, keptOf: id, events: [event('put', id, value)] };
    },
    async undo({ session }, { id, was }) {
      await write(session, id, was);
      return { events: [event('unput', id)] };
    },
  };
  const put = (id: string, name: string, value: string, before: () => Promise<unknown> = async () => undefined) =>
    onMongo.runStep({ mongo }, 'put', step, { operationId: operationId(id, name), id, value, before });
  return {
    newId,
    put,
    async ready() {
      mongo = await openMongo({ url: servers.mongodb(), database, log, lifecycle });
      await mongo.db.createCollection('things');
    },
    async close() {
      await mongo.db.dropDatabase();
      await lifecycle.stop('tested');
    },
    undo: (id, name) => onMongo.undoOperation({ mongo }, operationId(id, name), { put: step }),
    get: (id, name) => onMongo.getOperation({ mongo }, operationId(id, name)),
    list: (within, { after = '', pageSize = 1_000 }) => onMongo.operationsWithin({ mongo }, { within, after, pageSize }),
    async state(id) {
      const row = await things().findOne({ _id: id });
      const events = await mongo.db.collection('outbox').find({ aggregateid: id }).sort({ createdAt: 1 }).toArray();
      return { value: row?.value ?? null, events: events.map(({ type }) => String(type)) };
    },
    async record(id, name) {
      return JSON.stringify(await records().findOne({ _id: operationId(id, name) }));
    },
    async age(id, name, days) {
      await records().updateOne({ _id: operationId(id, name) }, [{ $set: { at: { $subtract: ['$at', days * DAY_MS] } } }]);
      await pruneCollections(mongo.db);
    },
    erase: (ids) => onMongo.transaction(mongo, (session) => onMongo.eraseUndos(mongo, session, ids)),
    hold: (id, name, value) => held((before) => put(id, name, value, before)),
  };
}

function redis(): Fixture {
  const prefix = `${uniqueName('test_operations')}:`;
  const { log, lifecycle } = testProcess(prefix);
  let store: PartitionedRedis;
  const step: onRedis.Step<Put<void>, Kept, Before> = {
    async do(tx, { id, value, before }) {
      const was = await tx.read('GET', `thing:${id}`);
      tx.write('SET', `thing:${id}`, value);
      await before();
      refuse(value);
      const kept = { id, was };
      return { result: kept, kept: { ...kept, name: 'Hanako' }, keptOf: id, events: [event('put', id, value)] };
    },
    async undo(tx, { id, was }) {
      if (was === null) tx.write('DEL', `thing:${id}`);
      else tx.write('SET', `thing:${id}`, was);
      return { events: [event('unput', id)] };
    },
  };
  const put = (id: string, name: string, value: string, before: () => Promise<unknown> = async () => undefined) =>
    onRedis.runStep(store, store.of(id), 'put', step, { operationId: operationId(id, name), id, value, before });
  /** Of a tombstone there is one in each partition. */
  const inEach = (work: (partition: Partition) => Promise<unknown>) => Promise.all(store.partitions.map(work));
  return {
    newId,
    put,
    async ready() {
      store = await openPartitionedRedis({ service: 'test', url: servers.redis(), prefix, log, lifecycle });
    },
    async close() {
      await store.ask(async (client) => {
        for (const key of await client.keys(`${prefix}*`)) await client.del(key);
      });
      await lifecycle.stop('tested');
    },
    undo: (id, name) => onRedis.undoOperation(store, operationId(id, name), { put: step }),
    get: (id, name) => onRedis.getOperation(store, operationId(id, name)),
    list: (within, { after = '', pageSize = 1_000 }) => onRedis.operationsWithin(store, { within, after, pageSize }),
    async state(id) {
      const { key } = store.of(id);
      const value = await store.ask((client) => client.get(key(`thing:${id}`)));
      const entries = await store.ask((client) => client.xrange(key('outbox'), '-', '+'));
      const events = entries.map(([, fields]) => fields).filter((fields) => fields[fields.indexOf('aggregateid') + 1] === id);
      return { value, events: events.map((fields) => fields[fields.indexOf('type') + 1] ?? '') };
    },
    async record(id, name) {
      const { at, ...record } = await store.ask((client) =>
        client.hgetall(store.of(id).key(`operation:${operationId(id, name)}`)),
      );
      return JSON.stringify({ ...record, at: new Date(Number(at)).toISOString() });
    },
    async age(id, name, days) {
      const operation = operationId(id, name);
      await inEach(async ({ key }) => {
        for (const list of ['operations:at', 'operations:undo'])
          await store.ask(async (client) => {
            const at = await client.zscore(key(list), operation);
            if (at !== null) await client.zadd(key(list), Number(at) - days * DAY_MS, operation);
          });
      });
      await onRedis.pruneOperations(store);
    },
    erase: (ids) => onRedis.eraseUndos(store, ids),
    hold: (id, name, value) => held((before) => put(id, name, value, before)),
  };
}

/** Runs `put` up to the point between its writes and its commit. */
async function held(put: (before: () => Promise<unknown>) => Promise<unknown>): Promise<Held> {
  let letGo = (): void => undefined;
  let fail: (error: Error) => void = () => undefined;
  let reached = (): void => undefined;
  const there = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const gate = new Promise<void>((resolve, reject) => {
    letGo = resolve;
    fail = reject;
  });
  const done = put(() => {
    reached();
    return gate;
  });
  done.catch(() => undefined);
  await Promise.race([there, done]);
  return { done, letGo, fail };
}

export const fixtures: Record<string, () => Fixture> = { postgres, mongodb, redis };
