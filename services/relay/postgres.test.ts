import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { Client } from 'pg';
import { triedCases } from '#platform/cases.fixture.ts';
import { Turns } from '#platform/concurrency/turns.ts';
import { sql } from '#platform/postgres/database.ts';
import { servers } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, faults, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// What happens to the log, the slot and the table that the relay reads: "nothing came" is not "nothing was written".

/** They mostly wait: for leases to lapse, for the next look at the outbox. */
const turns = new Turns(4);
const relayTest = (title: string, run: (t: ExecutionContext) => Promise<void>): void =>
  test(title, (t) => turns.take(() => run(t)));

const published = (boxes: Outboxes, keys: string[], relay: RelayProcess): Promise<void> =>
  until(() => keys.every((key) => arrived(boxes, 'postgres', key)), `${keys} arrive`).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

const rowsOf = async (boxes: Outboxes, text: string): Promise<Record<string, unknown>[]> => {
  const url = new URL(servers.postgres().reveal());
  url.pathname = `/${boxes.name}`;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
};

const ALTERED: Record<string, string> = {
  dropped: 'drop publication outbox_pub',
  'of deletions only': `alter publication outbox_pub set (publish = 'delete')`,
  filtered: `alter publication outbox_pub set table outbox where (version > 100)`,
  'of some columns': 'alter publication outbox_pub set table outbox (id, aggregateid)',
  'of another table': 'alter publication outbox_pub set table operations',
  'of one table more': 'alter publication outbox_pub add table operations',
  'for all tables': 'drop publication outbox_pub; create publication outbox_pub for all tables',
};

for (const [how, alter] of triedCases(ALTERED, ['dropped', 'of another table'])) {
  relayTest(`a publication that is ${how} loses nothing, and is made anew`, async (t) => {
    const boxes = await outboxes(t);
    const relay = await startRelay([boxes.sources.postgres]);
    await boxes.write('postgres', 'before', 1);
    await published(boxes, ['before'], relay);
    await relay.isHealthy();
    await rowsOf(boxes, alter);
    for (const key of ['one', 'two']) await boxes.write('postgres', key, 1);
    await published(boxes, ['one', 'two'], relay);
    const tables = `select tablename, rowfilter, attnames::text[] as columns from pg_publication_tables where pubname = 'outbox_pub'`;
    await until(async () => {
      const found = await rowsOf(boxes, tables);
      const [table] = found;
      return found.length === 1 && table?.tablename === 'outbox' && !table.rowfilter && (table.columns as string[]).length === 8;
    }, 'the publication is as it was');
    await relay.isHealthy();
    await boxes.write('postgres', 'after', 1);
    await published(boxes, ['after'], relay);
    await until(async () => (await boxes.unsent('postgres')) === 0, 'the outbox is empty');
    t.deepEqual(
      boxes.received.postgres.filter(({ type }) => type !== 'written'),
      [],
      'nothing but events is published',
    );
    if (how.includes('table')) t.notRegex(relay.output(), /can not be sent/, 'nor taken for one');
  });
}

relayTest('a publication that is dropped and made again before anybody looks', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'before', 1);
  await published(boxes, ['before'], first);
  await first.isHealthy();
  await first.kill('SIGTERM');
  await rowsOf(boxes, 'drop publication outbox_pub');
  await boxes.write('postgres', 'missed', 1);
  await rowsOf(boxes, `create publication outbox_pub for table outbox with (publish = 'insert')`);
  await boxes.write('postgres', 'told', 1);
  const second = await startRelay([boxes.sources.postgres]);
  await published(boxes, ['told', 'missed'], second);
  await second.isHealthy();
  t.pass();
});

relayTest('one that is dropped and made again under the relay, before it looks', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await relay.isHealthy();
  await rowsOf(boxes, 'drop publication outbox_pub');
  await boxes.write('postgres', 'missed', 1);
  await rowsOf(boxes, `create publication outbox_pub for table outbox with (publish = 'insert')`);
  await boxes.write('postgres', 'told', 1);
  await published(boxes, ['told', 'missed'], relay);
  await relay.isHealthy();
  t.pass();
});

/** Ends the slot's reader and drops the slot, as an operator would who wants the disk back. */
const dropSlot = (boxes: Outboxes): Promise<void> =>
  until(async () => {
    const slots = `from pg_replication_slots where database = ${`'${boxes.name}'`}`;
    await rowsOf(boxes, `select pg_terminate_backend(active_pid) ${slots} and active`);
    await rowsOf(boxes, `select pg_drop_replication_slot(slot_name) ${slots} and not active`).catch(() => undefined);
    return (await rowsOf(boxes, `select 1 ${slots}`)).length === 0;
  }, 'the slot is dropped');

relayTest('a slot that is dropped, before a start and under a relay, costs repeats, no events', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await published(boxes, ['one'], first);
  await first.isHealthy();
  await first.kill('SIGTERM');
  await boxes.write('postgres', 'two', 1);
  await dropSlot(boxes);
  await boxes.write('postgres', 'three', 1);
  const second = await startRelay([boxes.sources.postgres]);
  await published(boxes, ['two', 'three'], second);
  await dropSlot(boxes);
  await boxes.write('postgres', 'four', 1);
  await published(boxes, ['four'], second);
  await second.isHealthy();
  t.pass();
});

relayTest(
  'what was written before there was a slot comes first, though the relay that made the slot has sent nothing',
  async (t) => {
    const boxes = await outboxes(t);
    for (let version = 1; version <= 3; version++) await boxes.write('postgres', 'key', version);
    await rowsOf(boxes, `select pg_create_logical_replication_slot('outbox_${boxes.name}', 'pgoutput')`);
    for (let version = 4; version <= 6; version++) await boxes.write('postgres', 'key', version);
    const relay = await startRelay([boxes.sources.postgres]);
    await published(boxes, ['key'], relay);
    await until(() => arrived(boxes, 'postgres', 'key', 6), 'all arrive');
    t.deepEqual(faults(boxes.received.postgres, new Map([['key', 6]])), []);
  },
);

relayTest('a slot of our name that is none of ours is replaced', async (t) => {
  const boxes = await outboxes(t);
  await rowsOf(boxes, `select pg_create_logical_replication_slot('outbox_${boxes.name}', 'test_decoding')`);
  await boxes.write('postgres', 'one', 1);
  const relay = await startRelay([boxes.sources.postgres]);
  await published(boxes, ['one'], relay);
  await boxes.write('postgres', 'two', 1);
  await published(boxes, ['two'], relay);
  await relay.isHealthy();
  t.pass();
});

relayTest('the slot of another database is left alone, and that is said', async (t) => {
  const boxes = await outboxes(t);
  const other = await outboxes(t);
  await rowsOf(other, `select pg_create_logical_replication_slot('outbox_${boxes.name}', 'pgoutput')`);
  const relay = await startRelay([boxes.sources.postgres]);
  await until(() => relay.output().includes('belongs to another database'), 'it is said');
  await relay.says('p', /can not be read/);
  t.is((await rowsOf(other, `select from pg_replication_slots where slot_name = 'outbox_${boxes.name}'`)).length, 1);
});

// Serial: no slot of the whole server can be made meanwhile.
test.serial('a slot that has to wait for a long transaction keeps no event waiting', async (t) => {
  const boxes = await outboxes(t);
  const url = new URL(servers.postgres().reveal());
  url.pathname = `/${boxes.name}`;
  const long = new Client({ connectionString: url.href });
  long.on('error', () => undefined); // when the test has failed
  await long.connect();
  await long.query('begin; create table long_work (i int)');
  const relay = await startRelay([boxes.sources.postgres]);
  // Longer than a lease, and than anybody may be silent.
  for (let version = 1; version <= 5; version++) {
    await boxes.write('postgres', 'key', version);
    await until(() => arrived(boxes, 'postgres', 'key', version), `version ${version} arrives`, 15_000).catch(
      (error: unknown) => {
        throw new Error(`${error}\n${relay.output()}`);
      },
    );
  }
  t.regex((await relay.health()).degraded['outbox of p'] ?? '', /can not be read/);
  await long.query('rollback');
  await long.end();
  await relay.isHealthy();
});

relayTest('the log is read across whatever is done to the table', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  const done = [
    'alter table outbox replica identity nothing',
    'alter table outbox replica identity full',
    'alter table outbox add column more text',
    'alter table outbox alter column aggregateid type varchar(300)',
    'alter table outbox alter column payload type json using payload::json',
    'alter table outbox alter column payload type text using payload::text',
    'alter table outbox alter column id type text using id::text',
  ];
  for (const [index, text] of done.entries()) {
    await rowsOf(boxes, text);
    await boxes.write('postgres', `key ${index}`, 1);
    await published(boxes, [`key ${index}`], relay);
    const event = boxes.received.postgres.find(({ subject }) => subject === `key ${index}`);
    t.deepEqual(event?.data, { key: `key ${index}`, version: 1 }, text);
  }
  await until(async () => (await boxes.unsent('postgres')) === 0, 'the outbox is empty');
});

relayTest('while the table is away the relay says so, and goes on when it is back', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await relay.isHealthy();
  await rowsOf(boxes, 'alter table outbox rename to elsewhere');
  await relay.says('p', /can not be read/, 20_000);
  // Upkeep may have made another.
  await rowsOf(boxes, 'drop table if exists outbox');
  await rowsOf(boxes, 'alter table elsewhere rename to outbox');
  await boxes.write('postgres', 'key', 1);
  await published(boxes, ['key'], relay);
  await relay.isHealthy();
  t.pass();
});

relayTest('rows that are emptied from the table are still in the log', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await published(boxes, ['one'], first);
  await first.isHealthy();
  await first.kill('SIGTERM');
  await boxes.write('postgres', 'two', 1);
  await rowsOf(boxes, 'truncate outbox');
  const second = await startRelay([boxes.sources.postgres]);
  await published(boxes, ['two'], second);
  t.pass();
});

relayTest('a database that is dropped and made again is relayed again', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await published(boxes, ['one'], relay);
  await boxes.remakeDatabase();
  await boxes.write('postgres', 'two', 1);
  await published(boxes, ['two'], relay);
  await boxes.write('postgres', 'three', 1);
  await published(boxes, ['three'], relay);
  await relay.isHealthy();
  t.pass();
});

relayTest('an event is sent however long it has waited for a relay', async (t) => {
  const boxes = await outboxes(t);
  await boxes.write('postgres', 'old', 1);
  await boxes.db.query(sql`update outbox set created_at = now() - interval '400 days'`);
  const relay = await startRelay([boxes.sources.postgres]);
  await published(boxes, ['old'], relay);
  t.pass();
});

relayTest('what is no event holds up no other, stays, and is sent once it is mended', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await published(boxes, ['one'], relay);
  const id = randomUUID();
  const type = `${boxes.name}_postgres`;
  await rowsOf(
    boxes,
    `insert into outbox (id, aggregatetype, aggregateid, type, payload, version)
     values ('${id}', 'no topic/has/such a name', 'mended', 'written', '{"secret": "hush"}', 1)`,
  );
  await boxes.write('postgres', 'two', 1);
  await published(boxes, ['two'], relay);
  await relay.says('p', new RegExp(`1 of its events can not be sent: ${id}: it is not an event: aggregatetype`));
  await until(async () => (await boxes.unsent('postgres')) === 1, 'the others have left');
  t.notRegex(relay.output(), /hush/);
  await rowsOf(boxes, `update outbox set aggregatetype = ${`'${type}'`} where id = '${id}'`);
  await published(boxes, ['mended'], relay);
  await relay.isHealthy();
  await until(async () => (await boxes.unsent('postgres')) === 0, 'the outbox is empty');
});
