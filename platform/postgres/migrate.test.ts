import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { Client } from 'pg';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { openDatabase } from './database.ts';
import { createDatabase } from './migrate.ts';

const { log } = testProcess('test-migrations');

test('of many who want a database at once one makes it', async (t) => {
  const fresh = uniqueName('test_creation');
  await t.notThrowsAsync(Promise.all(Array.from({ length: 6 }, () => createDatabase(servers.postgres(), fresh))));
  await dropDatabase(servers.postgres(), fresh);
});

test('of three processes that start at once one makes the database and runs each migration once', async (t) => {
  const fresh = uniqueName('test_migrations');
  const migrations = await mkdtemp(join(tmpdir(), 'musubi-'));
  await writeFile(join(migrations, '0001-first.sql'), 'select pg_sleep(0.3); create table first (id int);');
  await writeFile(join(migrations, '0002-second.sql'), 'insert into first values (1);');
  const script = join(migrations, 'open.ts');
  await writeFile(
    script,
    `import { openDatabase } from ${JSON.stringify(new URL('./database.ts', import.meta.url).href)};
     import { servers, testProcess } from ${JSON.stringify(new URL('../test-servers.fixture.ts', import.meta.url).href)};
     const { log, lifecycle } = testProcess('open');
     await openDatabase({ url: servers.postgres(), database: '${fresh}', migrations: new URL('./', import.meta.url), log, lifecycle });
     await lifecycle.stop('opened');`,
  );
  const open = () => promisify(execFile)(process.execPath, [script], { env: process.env });
  await Promise.all([open(), open(), open()]);
  const own = testProcess('test-migrations');
  const options = {
    url: servers.postgres(),
    database: fresh,
    migrations: pathToFileURL(`${migrations}/`),
    log,
    lifecycle: own.lifecycle,
  };
  // Read by a client that runs none itself.
  const url = new URL(servers.postgres().reveal());
  url.pathname = `/${fresh}`;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  const rows = async (query: string) => (await client.query<{ name: string }>(query)).rows;
  t.is((await rows('select * from first')).length, 1);
  t.deepEqual(
    (await rows('select name from schema_migrations order by name')).map(({ name }) => name),
    [
      '0001-first.sql',
      '0002-second.sql',
      'platform/0001-operations.sql',
      'platform/0002-outbox.sql',
      'platform/0003-operations-final.sql',
      'platform/0004-outbox-unsent.sql',
      'platform/0005-operations-step.sql',
      'platform/0006-operations-by-job.sql',
      'platform/0007-undo-of.sql',
    ],
  );
  await client.end();
  await t.notThrowsAsync(openDatabase(options), 'they have run');
  await writeFile(join(migrations, '0002-second.sql'), 'insert into first values (2);');
  await t.throwsAsync(openDatabase(options), { message: /0002-second.sql has run .* and was changed since/ });
  await own.lifecycle.stop('tested');
  await dropDatabase(servers.postgres(), fresh);
  await rm(migrations, { recursive: true });
});
