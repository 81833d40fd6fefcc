import test from 'ava';
import { Client, escapeIdentifier } from 'pg';
import { MusubiError } from '../errors.ts';
import { Secret } from '../process/config.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { type Database, openDatabase, type Query, sql } from './database.ts';

// As a user of its own, from whom things can be taken.

const database = uniqueName('test_refused');
const user = database;
const { log, lifecycle } = testProcess('test-refused');
const migrations = new URL('../operations/', import.meta.url); // there are none
let db: Database;

async function asOwner(...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: servers.postgres().reveal() });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}
const alter = (change: string) => `alter role ${escapeIdentifier(user)} ${change}`;
/** A session is as its user was when it began. */
const endSessions = `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${user}'`;

test.before(async () => {
  await asOwner(`create role ${escapeIdentifier(user)} login createdb password 'first'`);
  const url = new URL(servers.postgres().reveal());
  [url.username, url.password] = [user, 'first'];
  db = await openDatabase({ url: new Secret(url.href), database, migrations, log, lifecycle });
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  await dropDatabase(servers.postgres(), database);
  await asOwner(`drop role ${escapeIdentifier(user)}`);
});

/** A server that fails a statement with this SQLSTATE. */
const failing = (sqlstate: string): Query =>
  ({ text: `do $$ begin raise exception using errcode = '${sqlstate}'; end $$`, values: [] }) as never;

const MEANING: Record<string, string[]> = {
  STORE_FULL: ['53100'],
  STORE_UNAVAILABLE: [
    ...[
      '08000',
      '08006',
      '25006',
      '25P03',
      '25P04',
      '28000',
      '28P01',
      '3D000',
      '40003',
      '42501',
      '53000',
      '53200',
      '53300',
      '53400',
    ],
    ...['55006', '57014', '57P01', '57P02', '57P03', '57P04', '58000', '58030', '58P01', 'F0000', 'XX000', 'XX001', 'XX002'],
  ],
  STORE_CONFLICT: ['40001', '40P01', '55P03'],
  'the statement': ['22P02', '23503', '23505', '23514', '25001', '42601', '42703', '42P01', '54001', 'P0001'],
};

for (const [meaning, codes] of Object.entries(MEANING)) {
  test.serial(`what the server says means ${meaning}: ${codes.join(' ')}`, async (t) => {
    for (const code of codes) {
      const error = await t.throwsAsync<Error & { code: string }>(db.query(failing(code)), undefined, code);
      t.is(error instanceof MusubiError ? error.code : 'the statement', meaning, code);
      if (error instanceof MusubiError) t.true(error.retryable, code);
      else t.is(error?.code, code);
    }
  });
}

/** The reasons of the probes that fail, by what they are about. */
async function failures(): Promise<{ answer?: string; writing?: string }> {
  const unready = await lifecycle.unready();
  return { answer: unready[`postgres ${database}`], writing: unready[`postgres ${database}, writing`] };
}

const untilTold = (condition: (failed: { answer?: string; writing?: string }) => boolean): Promise<void> =>
  until(async () => condition(await failures()), String(condition));

test.serial('a database that takes no writes answers, and is not ready: the probe that writes says why', async (t) => {
  t.deepEqual(await failures(), { answer: undefined, writing: undefined });
  await asOwner(alter('set default_transaction_read_only = on'), endSessions);
  await untilTold(({ answer, writing }) => answer === undefined && /read-only transaction/.test(writing ?? ''));
  await t.throwsAsync(db.query(sql`create table things ()`), { code: 'STORE_UNAVAILABLE' });
  await asOwner(alter('reset default_transaction_read_only'), endSessions);
  await untilTold(({ writing }) => writing === undefined);
  t.pass();
});

test.serial('a password that was changed is waited for, and told', async (t) => {
  await asOwner(alter(`password 'second'`), endSessions);
  await untilTold(({ answer }) => /password authentication failed/.test(answer ?? ''));
  await t.throwsAsync(db.query(sql`select 1`), { code: 'STORE_UNAVAILABLE' });
  await asOwner(alter(`password 'first'`));
  await untilTold(({ answer, writing }) => answer === undefined && writing === undefined);
  t.deepEqual(await db.query(sql`select 1 as one`), [{ one: 1 }]);
});

test.serial('statements that the server has forgotten are prepared again', async (t) => {
  const one = sql`select 1 as one`;
  const all = () => Promise.all(Array.from({ length: 8 }, () => db.query(one)));
  await all();
  await Promise.all(Array.from({ length: 8 }, () => db.transaction((tx) => tx.query(sql`deallocate all`))));
  t.deepEqual(
    await all(),
    Array.from({ length: 8 }, () => [{ one: 1 }]),
  );
});
