import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Client } from 'pg';
import { triedCases } from '#platform/cases.fixture.ts';
import { sql } from '#platform/postgres/database.ts';
import { servers } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { type OwnServers, ownServers } from './own-servers.fixture.ts';
import { arrived, faults, KINDS, type Kind, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// Kafka ends, is killed and hangs while each kind of outbox has events under way.

let own: OwnServers;
test.before('start Kafka, and a PostgreSQL that often asks how far the relay is', async () => {
  own = await ownServers('kafka', 'postgres');
  const server = new Client({ connectionString: servers.postgres().reveal() });
  await server.connect();
  await server.query(`alter system set wal_sender_timeout = '4s'`);
  await server.query('select pg_reload_conf()');
  await server.end();
});
test.after.always('stop them', () => own?.close());

/** Writes to every outbox until `stop`, which returns what was written, by key. */
function write(boxes: Outboxes): { written: Record<Kind, Map<string, number>>; stop(): Promise<void> } {
  const written: Record<Kind, Map<string, number>> = { postgres: new Map(), mongodb: new Map(), redis: new Map() };
  let writing = true;
  const writers = KINDS.map(async (kind) => {
    for (let turn = 0; writing; turn++) {
      const key = `key-${turn % 5}`;
      const version = (written[kind].get(key) ?? 0) + 1;
      await boxes.write(kind, key, version);
      written[kind].set(key, version);
      await sleep(10);
    }
  });
  const stop = async (): Promise<void> => {
    writing = false;
    await Promise.all(writers);
  };
  return { written, stop };
}

const sum = (written: ReadonlyMap<string, number>): number => [...written.values()].reduce((all, versions) => all + versions, 0);

/** Everything is there, in order, and nothing had to be found. */
async function complete(boxes: Outboxes, written: Record<Kind, Map<string, number>>, relay: RelayProcess): Promise<string[]> {
  const all = (): string[] =>
    KINDS.flatMap((kind) => faults(boxes.received[kind], written[kind]).map((fault) => `${kind} ${fault}`));
  await until(() => all().length === 0, 'everything arrives', 90_000).catch(() => undefined);
  const found = /wait in the outbox for too long/.test(relay.output()) ? ['something was only found in the outbox'] : [];
  return [...all(), ...found];
}

const STOPS = {
  'is killed': () => own.stack.kill('kafka', 'SIGKILL'),
  'ends in order': () => own.stack.kill('kafka', 'SIGTERM'),
};

for (const [how, stop] of triedCases(STOPS, ['is killed'])) {
  test.serial(
    `Kafka ${how} with events under way, twice, and comes back: nothing is lost, each key keeps its order`,
    async (t) => {
      const boxes = await outboxes(t);
      const relay = await startRelay(Object.values(boxes.sources));
      const { written, stop: stopWriting } = write(boxes);
      await until(() => KINDS.every((kind) => boxes.received[kind].length > 20), 'all are relayed');
      for (let time = 0; time < 2; time++) {
        await stop();
        const before = Object.fromEntries(KINDS.map((kind) => [kind, sum(written[kind])])) as Record<Kind, number>;
        await until(() => KINDS.every((kind) => sum(written[kind]) > before[kind] + 50), 'more is written');
        for (const kind of KINDS) await relay.says(boxes.sources[kind][0] ?? '', /can not be read, or Kafka is away/);
        // What was written since has still to be sent.
        for (const kind of KINDS) t.true((await boxes.unsent(kind)) >= 50, kind);
        await own.stack.start('kafka');
        await until(() => KINDS.every((kind) => boxes.received[kind].length > before[kind]), 'it goes on');
      }
      await stopWriting();
      t.deepEqual(await complete(boxes, written, relay), []);
      await relay.isHealthy();
      await until(
        async () => (await Promise.all(KINDS.map(boxes.unsent))).every((count) => count === 0),
        'the outboxes are empty',
      );
    },
  );
}

test.serial('the relay is killed while Kafka is away: the next sends what neither has', async (t) => {
  const boxes = await outboxes(t);
  const { written, stop } = write(boxes);
  const first = await startRelay(Object.values(boxes.sources));
  await until(() => KINDS.every((kind) => boxes.received[kind].length > 20), 'all are relayed');
  await own.stack.kill('kafka', 'SIGKILL');
  // Long enough for every position to be saved too early.
  await sleep(6_000);
  await first.kill('SIGKILL');
  await stop();
  await own.stack.start('kafka');
  const second = await startRelay(Object.values(boxes.sources));
  t.deepEqual(await complete(boxes, written, second), []);
});

test.serial('Kafka hangs for long: the relay says so within seconds, confirms nothing, and goes on afterwards', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay(Object.values(boxes.sources));
  for (const kind of KINDS) await boxes.write(kind, 'key', 1);
  await until(() => KINDS.every((kind) => arrived(boxes, kind, 'key')), 'all are relayed');
  await relay.isHealthy();

  await own.stack.kill('kafka', 'SIGSTOP');
  const since = Date.now();
  await until(async () => 'kafka' in (await relay.health()).degraded, 'it says so with nothing to send', 30_000);
  for (const kind of KINDS) for (let version = 2; version <= 40; version++) await boxes.write(kind, 'key', version);
  const [row] = await boxes.db.query<{ at: string }>(sql`select pg_current_wal_insert_lsn() as at`);
  for (const kind of KINDS) {
    await relay.says(boxes.sources[kind][0] ?? '', /Kafka has not taken them|can not be read, or Kafka is away/, 20_000);
  }
  // Through time-outs and new beginnings of the relay, and PostgreSQL's own questions how far it is.
  while (Date.now() - since < 45_000) {
    t.is((await relay.health()).status === 'healthy', false);
    for (const kind of KINDS) t.is(await boxes.unsent(kind), 39, kind);
    const confirmed = await boxes.db.query(
      sql`select from pg_replication_slots where database = ${boxes.name} and confirmed_flush_lsn >= ${row?.at}::pg_lsn`,
    );
    t.is(confirmed.length, 0, 'the log is kept');
    await sleep(1_000);
  }
  await own.stack.kill('kafka', 'SIGCONT');
  const written = Object.fromEntries(KINDS.map((kind) => [kind, new Map([['key', 40]])])) as Record<Kind, Map<string, number>>;
  for (const kind of KINDS) {
    await until(() => faults(boxes.received[kind], written[kind]).length === 0, `${kind} arrives`, 90_000);
  }
  await relay.isHealthy();
  await until(async () => (await Promise.all(KINDS.map(boxes.unsent))).every((count) => count === 0), 'the outboxes are empty');
});
