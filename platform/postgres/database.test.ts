import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { MusubiError } from '../errors.ts';
import { Secret } from '../process/config.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { type Database, isUniqueViolation, join, openDatabase, sql } from './database.ts';

const database = uniqueName('test_postgres');
const { log, lifecycle } = testProcess('test-postgres');
let folder: string;
let db: Database;

test.before(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'musubi-'));
  await writeFile(
    joinPath(folder, '0001-things.sql'),
    'create table things (id int primary key, name text constraint things_name unique);',
  );
  db = await openDatabase({ url: servers.postgres(), database, migrations: pathToFileURL(`${folder}/`), log, lifecycle });
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  await dropDatabase(servers.postgres(), database);
  await rm(folder, { recursive: true });
});

test('sql binds every value and nests', (t) => {
  const conditions = [sql`name = ${"'; drop table things; --"}`, sql`id > ${3}`];
  const query = sql`select * from things where ${join(conditions, sql` and `)} limit ${10}`;
  t.is(query.text, 'select * from things where name = $1 and id > $2 limit $3');
  t.deepEqual(query.values, ["'; drop table things; --", 3, 10]);
  t.is(sql`${sql`a`}${sql`b`}`.text, 'ab');
  t.is(join([]).text, '');
});

test('int8 is a number as long as that is exact', async (t) => {
  const [row] = await db.query<{ n: number }>(sql`select 9007199254740991::int8 as n`);
  t.is(row?.n, 9_007_199_254_740_991);
  await t.throwsAsync(db.query(sql`select 9007199254740992::int8 as n`), { instanceOf: RangeError });
});

test('a transaction is whole or not at all', async (t) => {
  const result = await db.transaction(async (tx) => {
    tx.defer(sql`insert into things values (100, 'deferred')`);
    await tx.query(sql`insert into things values (101, 'awaited')`);
    return 'result';
  });
  t.is(result, 'result');
  await t.throwsAsync(
    db.transaction(async (tx) => {
      await tx.query(sql`insert into things values (102, 'lost')`);
      throw new Error('mine');
    }),
    { message: 'mine' },
  );
  const rows = await db.query<{ id: number }>(sql`select id from things where id between 100 and 109 order by id`);
  t.deepEqual(
    rows.map(({ id }) => id),
    [100, 101],
  );
});

test('a statement that fails unseen, or whose failure was caught, fails the transaction', async (t) => {
  const deferred = await t.throwsAsync(
    db.transaction(async (tx) => {
      tx.defer(sql`insert into things values (110, 'twice')`);
      tx.defer(sql`insert into things values (111, 'twice')`);
    }),
  );
  t.true(isUniqueViolation(deferred, 'things_name'));
  t.false(isUniqueViolation(deferred, 'things_pkey'));
  await t.throwsAsync(
    db.transaction(async (tx) => {
      await tx.query(sql`insert into things values (112, 'caught')`);
      await tx.query(sql`select 1 / 0`).catch(() => undefined);
    }),
    { message: /division by zero/ },
  );
  t.deepEqual(await db.query(sql`select id from things where id between 110 and 119`), []);
});

test('of statements sent together the one that failed says why, whichever is heard of first', async (t) => {
  const late = async (promise: Promise<unknown>): Promise<unknown> => {
    const result = await promise;
    return result;
  };
  const failing = db.transaction((tx) =>
    Promise.all([late(tx.query(sql`select 1 / ${0}::int`)), tx.query(sql`select 1`), tx.query(sql`select 2`)]),
  );
  await t.throwsAsync(failing, { message: 'division by zero' });
});

test('a deadlock is tried again', async (t) => {
  await db.query(sql`insert into things values (120, 'a'), (121, 'b')`);
  let attempts = 0;
  let holding = 0;
  const both = (first: number, second: number) =>
    db.transaction(async (tx) => {
      attempts++;
      await tx.query(sql`update things set name = name || '.' where id = ${first}`);
      holding++;
      await until(() => holding >= 2); // at the first try each has its first row before it wants the other's
      await tx.query(sql`update things set name = name || '.' where id = ${second}`);
    });
  await Promise.all([both(120, 121), both(121, 120)]);
  t.true(attempts > 2);
  t.deepEqual(await db.query(sql`select name from things where id between 120 and 121 order by id`), [
    { name: 'a..' },
    { name: 'b..' },
  ]);
});

test('a connection that the server ends fails its call with UNAVAILABLE, and the next call works', async (t) => {
  const error = await t.throwsAsync<MusubiError>(db.query(sql`select pg_terminate_backend(pg_backend_pid())`), {
    instanceOf: MusubiError,
  });
  t.true(error?.retryable);
  t.is(error?.code, 'STORE_UNAVAILABLE');
  t.deepEqual(await db.query(sql`select 1 as one`), [{ one: 1 }]);
});

test('a plan that a migration made invalid is planned again, on however many connections', async (t) => {
  const own = testProcess('test-plans');
  const pool = 8;
  const options = { url: servers.postgres(), database, migrations: pathToFileURL(`${folder}/`), log, lifecycle: own.lifecycle };
  const store = await openDatabase({ ...options, max: pool });
  t.teardown(() => own.lifecycle.stop('tested'));
  await store.query(sql`create table shapes (a int)`);
  const shapes = sql`select * from shapes`;
  /** Has every connection plan it, each held until all have. */
  const planEverywhere = async (): Promise<void> => {
    let planned = 0;
    const all = Promise.withResolvers<void>();
    const plan = () =>
      store.transaction(async (tx) => {
        await tx.query(shapes);
        if (++planned === pool) all.resolve();
        await all.promise;
      });
    await Promise.all(Array.from({ length: pool }, plan));
  };
  await planEverywhere();
  await store.query(sql`alter table shapes add column b int default 1`);
  await t.notThrowsAsync(store.query(shapes));
  await planEverywhere();
  await store.query(sql`alter table shapes add column c int default 1`);
  await t.notThrowsAsync(store.transaction((tx) => tx.query(shapes)));
});

test('a server that goes away and comes back is found again', async (t) => {
  const real = new URL(servers.postgres().reveal());
  const proxy = await startProxy(Number(real.port || 5432), real.hostname);
  real.hostname = '127.0.0.1';
  real.port = String(proxy.port);
  const own = testProcess('test-away');
  const far = await openDatabase({
    url: new Secret(real.href),
    database,
    migrations: pathToFileURL(`${folder}/`),
    log,
    lifecycle: own.lifecycle,
  });
  // A check has a second to answer, which may be too little on a machine that is busy.
  const ready = async (): Promise<void> => {
    for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
      const unready = await own.lifecycle.unready();
      if (Object.keys(unready).length === 0 || Date.now() > deadline) return void t.deepEqual(unready, {});
    }
  };
  t.deepEqual(await far.query(sql`select 1 as one`), [{ one: 1 }]);
  await ready();
  await proxy.stop();
  for (let turn = 0; turn < 3; turn++) {
    const error = await t.throwsAsync<MusubiError>(far.query(sql`select 1`), { instanceOf: MusubiError });
    t.true(error?.retryable);
  }
  t.true(`postgres ${database}` in (await own.lifecycle.unready()));
  await proxy.start();
  t.deepEqual(await far.query(sql`select 1 as one`), [{ one: 1 }]);
  await ready();
  await own.lifecycle.stop('tested');
  await proxy.stop();
});

test('whatever is found where the server was is no fault of a statement', async (t) => {
  const real = new URL(servers.postgres().reveal());
  const proxy = await startProxy(Number(real.port || 5432), real.hostname);
  real.hostname = '127.0.0.1';
  real.port = String(proxy.port);
  const own = testProcess('test-elsewhere');
  const options = {
    url: new Secret(real.href),
    database,
    migrations: pathToFileURL(`${folder}/`),
    log,
    lifecycle: own.lifecycle,
  };
  const far = await openDatabase(options);
  await proxy.stop();
  // Its answer begins as no answer of PostgreSQL does.
  const strangers = new Set<Socket>();
  const other = createServer((socket) => {
    strangers.add(socket.on('error', () => undefined));
    socket.write(Buffer.from([0x58, 0, 0, 0, 4]));
  });
  await new Promise<void>((resolve) => other.listen(proxy.port, '127.0.0.1', resolve));
  // The first may yet meet a connection that was lost.
  for (let turn = 0; turn < 3; turn++) {
    await t.throwsAsync(far.query(sql`select 1`), { instanceOf: MusubiError, code: 'STORE_UNAVAILABLE' });
  }
  const closed = new Promise((resolve) => other.close(resolve));
  for (const socket of strangers) socket.destroy();
  await closed;
  await proxy.start();
  t.deepEqual(await far.query(sql`select 1 as one`), [{ one: 1 }]);
  await own.lifecycle.stop('tested');
  await proxy.stop();
});

/** A way to the server that can be cut. */
async function startProxy(target: number, host: string) {
  const sockets = new Set<Socket>();
  let server: Server;
  let port = 0;
  const start = async (): Promise<void> => {
    server = createServer((near) => {
      const far = connect(target, host);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          near.destroy();
          far.destroy();
          sockets.delete(socket);
        });
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  };
  await start();
  return {
    port,
    start,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
