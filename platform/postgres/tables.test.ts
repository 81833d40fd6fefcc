import test, { type ExecutionContext } from 'ava';
import { runStep } from '../operations/postgres.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { type Database, type DatabaseOptions, openDatabase, sql } from './database.ts';
import { TABLES_LOCK } from './tables.ts';

/** Everything that defines the platform's tables. */
const shape = (db: Database): Promise<unknown[]> =>
  db.query(sql`
    select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid) as default
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relname <> 'schema_migrations' and c.relkind = 'r'
    union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null
    from pg_constraint where connamespace = 'public'::regnamespace and conrelid <> 'schema_migrations'::regclass and contype <> 'n'
    union all select tablename, indexname, indexdef, null, null
    from pg_indexes where schemaname = 'public' and tablename <> 'schema_migrations'
    order by 1, 2, 3`);

function options(t: ExecutionContext): DatabaseOptions {
  const database = uniqueName('test_tables');
  const { log, lifecycle } = testProcess(database);
  t.teardown(async () => {
    await lifecycle.stop('tested');
    await dropDatabase(servers.postgres(), database);
  });
  return { url: servers.postgres(), database, migrations: new URL('../operations/', import.meta.url), log, lifecycle };
}

const write = (db: Database, operationId: string): Promise<unknown> => {
  const event = { aggregateType: 'thing', aggregateId: operationId, version: 1, type: 'thing.made', payload: {} };
  return runStep(db, 'make', { do: async () => ({ result: {}, events: [event] }) }, { operationId });
};

const DROPS = {
  outbox: sql`drop table outbox`,
  operations: sql`drop table operations`,
  write_probe: sql`drop table write_probe`,
};

for (const [lost, drop] of Object.entries(DROPS)) {
  test(`a service that has lost the table ${lost} is not ready, has it made again, and goes on`, async (t) => {
    const opened = options(t);
    const db = await openDatabase(opened);
    const before = await shape(db);
    await write(db, 'before');
    await db.query(drop);
    t.regex((await opened.lifecycle.unready())[`postgres ${opened.database}, writing`] ?? '', new RegExp(lost));
    await until(async () => Object.keys(await opened.lifecycle.unready()).length === 0);
    await write(db, 'after');
    t.deepEqual(await shape(db), before);
  });
}

test('a start makes again what is missing, as the migrations made it', async (t) => {
  const opened = options(t);
  const db = await openDatabase(opened);
  const before = await shape(db);
  for (const drop of Object.values(DROPS)) await db.query(drop);
  const again = await openDatabase(opened);
  t.deepEqual(await shape(again), before);
  await write(again, 'after');
});

test('a start that waits for another to make what is missing makes nothing twice', async (t) => {
  const opened = options(t);
  const db = await openDatabase(opened);
  const before = await shape(db);
  await db.query(DROPS.write_probe);
  const { other } = await db.transaction(async (tx) => {
    await tx.query(sql`select pg_advisory_xact_lock(${TABLES_LOCK})`);
    const other = openDatabase(opened);
    const waiting = sql`select from pg_locks where not granted and locktype = 'advisory'
      and database = (select oid from pg_database where datname = ${opened.database})`;
    await until(async () => (await tx.query(waiting)).length !== 0);
    await tx.query(sql`create table write_probe (one boolean primary key default true check (one), at timestamptz)`);
    return { other };
  });
  await other;
  t.deepEqual(await shape(db), before);
});
