import test from 'ava';
import { Client } from 'pg';
import { openDatabase } from '../postgres/database.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { newId } from '../validation/id.ts';
import { Removal } from './postgres-removal.ts';

test('the log is let go of only up to the first row that could not be removed yet', async (t) => {
  const database = uniqueName('test_removal');
  const { log, lifecycle } = testProcess(database);
  await openDatabase({ url: servers.postgres(), database, migrations: new URL('./', import.meta.url), log, lifecycle });
  const url = new URL(servers.postgres().reveal());
  url.pathname = `/${database}`;
  const [writer, remover] = [new Client({ connectionString: url.href }), new Client({ connectionString: url.href })];
  await Promise.all([writer.connect(), remover.connect()]);
  t.teardown(async () => {
    await Promise.all([writer.end(), remover.end()]);
    await lifecycle.stop('tested');
    await dropDatabase(servers.postgres(), database);
  });
  const insert = async (): Promise<{ id: string; xid: number }> => {
    const id = newId();
    const { rows } = await writer.query<{ xid: string }>(
      `insert into outbox (id, aggregatetype, aggregateid, type, payload, version) values ($1, 'thing', 'a', 'made', '{}', 1)
       returning pg_current_xact_id()::text as xid`,
      [id],
    );
    return { id, xid: Number(BigInt.asUintN(32, BigInt(rows[0]?.xid ?? 0))) };
  };
  const seen = await insert();
  // The log tells of a commit before other sessions see it.
  await writer.query('begin');
  const unseen = await insert();
  const told: [ids: string[], end: bigint | undefined][] = [];
  const removal = new Removal(remover, (ids, end) => void told.push([ids, end]));
  removal.push({ ids: [unseen.id], xid: unseen.xid, end: 5n });
  removal.push({ ids: [seen.id], xid: seen.xid, end: 9n });
  await until(() => told.length !== 0);
  t.deepEqual(told[0], [[seen.id], undefined]);
  t.false(removal.idle);
  await writer.query('commit');
  await until(() => removal.idle);
  t.deepEqual(told.at(-1), [[unseen.id], 9n]);
  await removal.close();
});
