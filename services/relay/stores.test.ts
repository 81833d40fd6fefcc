import { execFile } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import { Client } from 'pg';
import { triedCases } from '#platform/cases.fixture.ts';
import { outboxStream } from '#platform/outbox/redis-outbox.ts';
import { sql } from '#platform/postgres/database.ts';
import { servers } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { type OwnServers, ownServers } from './own-servers.fixture.ts';
import { arrived, KINDS, type Kind, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// What happens to the servers that hold the outboxes.

const STORES: Record<Kind, 'postgres' | 'mongodb' | 'redis'> = { postgres: 'postgres', mongodb: 'mongodb', redis: 'redis' };

let own: OwnServers;
test.before('start stores', async () => {
  own = await ownServers('postgres', 'mongodb', 'redis');
});
test.after.always('stop them', () => own?.close());

/** Copies a server's folder with its owner, which PostgreSQL wants. */
const copy = (from: string, to: string): Promise<unknown> => promisify(execFile)('cp', ['-a', from, to]);

/** Pauses a server, or lets it go on: PostgreSQL is a process for each connection, too. */
async function signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  const pid = own.stack.pids()[name];
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean);
  for (const each of [String(pid), ...(name === 'postgres' ? children : [])]) process.kill(Number(each), signal);
}

/** Writes one event to each outbox; services try until their store is there. */
async function write(boxes: Outboxes, key: string): Promise<void> {
  for (const kind of KINDS) {
    await until(
      () =>
        boxes.write(kind, key, 1).then(
          () => true,
          () => false,
        ),
      `${kind} takes it`,
    );
  }
}

const all = (boxes: Outboxes, key: string, relay: RelayProcess): Promise<void> =>
  until(() => KINDS.every((kind) => arrived(boxes, kind, key)), `${key} arrives`).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

test.serial('stores that are restored to an older copy are relayed on', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay(Object.values(boxes.sources));
  await write(boxes, 'one');
  await all(boxes, 'one', relay);
  const copies = join(own.dataDir, 'copies');
  for (const name of Object.values(STORES)) await own.stack.kill(name);
  await mkdir(copies);
  for (const name of Object.values(STORES)) await copy(join(own.dataDir, name), copies);
  for (const name of Object.values(STORES)) await own.stack.start(name);
  await write(boxes, 'two');
  await all(boxes, 'two', relay);
  await relay.isHealthy();
  for (const name of Object.values(STORES)) await own.stack.kill(name);
  for (const name of Object.values(STORES)) {
    await rm(join(own.dataDir, name), { recursive: true });
    await copy(join(copies, name), own.dataDir);
  }
  for (const name of Object.values(STORES)) await own.stack.start(name);
  await write(boxes, 'three');
  await all(boxes, 'three', relay);
  await relay.isHealthy();
  t.pass();
});

for (const [kind, store] of triedCases(STORES, ['postgres']) as [Kind, string][]) {
  test.serial(`${store} hangs: the relay says so within seconds, relays the others, and goes on afterwards`, async (t) => {
    const boxes = await outboxes(t);
    const relay = await startRelay(Object.values(boxes.sources));
    await write(boxes, 'one');
    await all(boxes, 'one', relay);
    await relay.isHealthy();
    await signal(store, 'SIGSTOP');
    try {
      await relay.says(boxes.sources[kind][0] ?? '', /can not be read/, 25_000);
      const others = KINDS.filter((other) => other !== kind);
      for (const other of others) await boxes.write(other, 'meanwhile', 1);
      await until(() => others.every((other) => arrived(boxes, other, 'meanwhile')), 'the others are relayed');
    } finally {
      await signal(store, 'SIGCONT');
    }
    await boxes.write(kind, 'two', 1);
    await until(() => arrived(boxes, kind, 'two'), 'it goes on').catch((error: unknown) => t.fail(`${error}\n${relay.output()}`));
    await relay.isHealthy();
    t.pass();
  });
}

test.serial('a slot whose log the server has thrown away is made anew', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await until(() => arrived(boxes, 'postgres', 'one'), 'relayed');
  await first.isHealthy();
  await first.kill('SIGTERM');
  const server = new Client({ connectionString: servers.postgres().reveal() });
  await server.connect();
  await server.query(`alter system set max_slot_wal_keep_size = '1MB'`);
  await server.query('select pg_reload_conf()');
  await boxes.write('postgres', 'two', 1);
  const lost = async (): Promise<boolean> => {
    await server.query('select pg_switch_wal()');
    await boxes.db.query(sql`create table bulk as select repeat(md5(i::text), 100) as text from generate_series(1, 20000) i`);
    await boxes.db.query(sql`drop table bulk`);
    await server.query('checkpoint');
    const { rows } = await server.query<{ wal_status: string }>(
      'select wal_status from pg_replication_slots where database = $1',
      [boxes.name],
    );
    return rows[0]?.wal_status === 'lost';
  };
  await until(lost, 'the slot is lost');
  await server.query('alter system reset max_slot_wal_keep_size');
  await server.query('select pg_reload_conf()');
  await server.end();
  const second = await startRelay([boxes.sources.postgres]);
  await until(() => arrived(boxes, 'postgres', 'two'), 'two arrives');
  await boxes.write('postgres', 'three', 1);
  await until(() => arrived(boxes, 'postgres', 'three'), 'three arrives');
  await second.isHealthy();
  t.pass();
});

test.serial('a slot whose log is damaged is made anew', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await until(() => arrived(boxes, 'postgres', 'one'), 'relayed');
  await first.isHealthy();
  await first.kill('SIGTERM');
  await boxes.write('postgres', 'two', 1);
  await boxes.db.query(sql`select pg_switch_wal()`);
  await boxes.db.query(sql`checkpoint`);
  const [log] = await boxes.db.query<{ file: string }>(
    sql`select pg_walfile_name(restart_lsn) as file from pg_replication_slots where database = ${boxes.name}`,
  );
  await rm(join(own.dataDir, 'postgres/cluster/pg_wal', log?.file ?? ''));
  const second = await startRelay([boxes.sources.postgres]);
  await until(() => arrived(boxes, 'postgres', 'two'), 'two arrives');
  await boxes.write('postgres', 'three', 1);
  await until(() => arrived(boxes, 'postgres', 'three'), 'three arrives');
  await second.isHealthy().catch((error: unknown) => t.fail(String(error)));
  t.pass();
});

test.serial('a Redis that is full is emptied of what it has for the relay', async (t) => {
  const boxes = await outboxes(t);
  for (let version = 1; version <= 20; version++) await boxes.write('redis', 'key', version, 10_000);
  await boxes.redis.config('SET', 'maxmemory', '1');
  try {
    await t.throwsAsync(boxes.redis.set('more', 'x'), { message: /OOM/ });
    const relay = await startRelay([boxes.sources.redis]);
    await until(() => arrived(boxes, 'redis', 'key', 20), 'all arrive').catch((error: unknown) =>
      t.fail(`${error}\n${relay.output()}`),
    );
    await until(async () => (await boxes.unsent('redis')) === 0, 'the stream is empty');
    // Longer than its lease.
    await sleep(7_000);
    await relay.isHealthy();
    t.is(await boxes.redis.exists(`${outboxStream(boxes.name)}:relay`), 1);
    await relay.kill('SIGTERM');
  } finally {
    await boxes.redis.config('SET', 'maxmemory', '0');
  }
});
