import test from 'ava';
import { openMongo } from '../mongo/database.ts';
import { openDatabase, sql } from '../postgres/database.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { newId } from '../validation/id.ts';
import { pruneHourly } from './retention.ts';

// A process that never lives for an hour forgets too: what is too old goes when a store is opened.

const OLD = new Date(Date.now() - 31 * 86_400_000);

/** Waits until `done` says so; the test's time limit is the deadline. */
async function eventually(done: () => Promise<boolean>): Promise<void> {
  await until(() => done());
}

test('postgres: opening a database prunes it', async (t) => {
  const database = uniqueName('test_retention');
  const { log, lifecycle } = testProcess(database);
  t.teardown(async () => {
    await lifecycle.stop('tested');
    await dropDatabase(servers.postgres(), database);
  });
  const open = () =>
    openDatabase({ url: servers.postgres(), database, migrations: new URL('./', import.meta.url), log, lifecycle });
  const db = await open();
  await db.query(sql`insert into operations (id, step, state, undo, at) values
    ('old', 'put', 'done', '{}', ${OLD}), ('new', 'put', 'done', '{}', now()), ('older', 'put', 'done', '{}', now() - interval '366 days')`);
  const ago = sql`now() - interval '400 days'`;
  await db.query(sql`insert into outbox (id, aggregatetype, aggregateid, type, payload, version, created_at)
    values (${newId()}, 'thing', 'a', 'thing.made', '{}', 1, ${ago})`);
  await open();
  const undoable = () => db.query<{ id: string }>(sql`select id from operations where undo is not null`);
  await eventually(async () => (await undoable()).length === 1);
  t.deepEqual(await undoable(), [{ id: 'new' }]);
  const ids = () => db.query<{ id: string }>(sql`select id from operations order by id`);
  await eventually(async () => (await ids()).length === 2);
  t.deepEqual(await ids(), [{ id: 'new' }, { id: 'old' }]);
  t.is((await db.query(sql`select from outbox`)).length, 1, 'an event waits for its relay however long that takes');
});

test('mongodb: opening a database prunes it', async (t) => {
  const database = uniqueName('test_retention');
  const { log, lifecycle } = testProcess(database);
  const open = () => openMongo({ url: servers.mongodb(), database, log, lifecycle });
  const { db } = await open();
  t.teardown(async () => {
    await db.dropDatabase();
    await lifecycle.stop('tested');
  });
  const operations = db.collection<{ _id: string; step: string; state: string; undo: object; at: Date }>('operations');
  await operations.insertMany([
    { _id: 'old', step: 'put', state: 'done', undo: {}, at: OLD },
    { _id: 'new', step: 'put', state: 'done', undo: {}, at: new Date() },
  ]);
  const outbox = db.collection('outbox');
  await outbox.insertOne({ aggregatetype: 'thing', version: 1, createdAt: new Date(Date.now() - 400 * 86_400_000) });
  await open();
  const undoable = async () => (await operations.find({ undo: { $exists: true } }).toArray()).map(({ _id }) => _id);
  await eventually(async () => (await undoable()).length === 1);
  t.deepEqual(await undoable(), ['new']);
  t.is(await outbox.countDocuments(), 1, 'an event waits for its relay however long that takes');
  const expiring = (await outbox.indexes()).filter(({ expireAfterSeconds }) => expireAfterSeconds !== undefined);
  t.deepEqual(expiring, []);
});

test('a prune that fails ends nothing', async (t) => {
  const log = createLogger('test', 'silent');
  const lifecycle = new Lifecycle(log, 1_000);
  t.teardown(() => lifecycle.stop('tested'));
  const failing = Promise.reject<void>(new Error('the store is away'));
  pruneHourly(() => failing, { database: 'test', log, lifecycle });
  await t.throwsAsync(failing);
});
