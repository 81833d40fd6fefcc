import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { currentTraceId, startTelemetry, withSpan } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, faults, KINDS, type Kind, outboxes, startRelay } from './relay.fixture.ts';

startTelemetry('test', {});

test.serial('an event arrives as a CloudEvent with its key, version and data', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay(Object.values(boxes.sources));
  const traceIds = new Map<Kind, string | undefined>();
  const begun = Date.now();
  for (const kind of KINDS) {
    await withSpan('a call', {}, async () => {
      traceIds.set(kind, currentTraceId());
      await boxes.write(kind, 'key', 1);
    });
  }
  await until(() => KINDS.every((kind) => arrived(boxes, kind, 'key')), 'events arrive');
  for (const kind of KINDS) {
    const event = boxes.received[kind][0];
    t.like(event, { type: 'written', subject: 'key', version: 1, data: { key: 'key', version: 1 } }, kind);
    t.is(event?.source, `/musubi/${kind[0]}`);
    t.is(event?.traceparent?.split('-')[1], traceIds.get(kind), 'the trace goes on');
    const time = event?.time.getTime() ?? 0;
    t.true(time > begun - 1_000 && time < Date.now() + 1_000, 'the time of the change');
  }
  await relay.kill('SIGTERM');
  t.is(relay.child.exitCode, 0, relay.output());
});

test.serial('kill -9 of the relay while it works: nothing is lost, and each key keeps its order', async (t) => {
  const boxes = await outboxes(t);
  const written: Record<Kind, Map<string, number>> = { postgres: new Map(), mongodb: new Map(), redis: new Map() };
  let writing = true;
  const writers = KINDS.map(async (kind) => {
    for (let turn = 0; writing; turn++) {
      const key = `key-${turn % 7}`;
      const version = (written[kind].get(key) ?? 0) + 1;
      await boxes.write(kind, key, version);
      written[kind].set(key, version);
      if (turn % 20 === 0) await sleep(5);
    }
  });
  // Events from before there was any relay belong to the bargain.
  await until(() => KINDS.every((kind) => written[kind].size === 7), 'some are written');
  const kills = 6;
  for (let kill = 0; kill < kills; kill++) {
    const relay = await startRelay(Object.values(boxes.sources));
    const before = KINDS.map((kind) => boxes.received[kind].length);
    const works = () => KINDS.every((kind, at) => boxes.received[kind].length > (before[at] ?? 0) + 5);
    await until(works, 'the relay relays all sources').catch((error: unknown) => t.fail(`${error} ${relay.output()}`));
    await sleep(Math.random() * 300);
    await relay.kill('SIGKILL');
  }
  writing = false;
  await Promise.all(writers);
  const relay = await startRelay(Object.values(boxes.sources));
  await until(
    () => KINDS.every((kind) => faults(boxes.received[kind], written[kind]).length === 0),
    'everything has arrived',
  ).catch(() => undefined);
  for (const kind of KINDS) {
    t.deepEqual(faults(boxes.received[kind], written[kind]), [], kind);
    const total = [...written[kind].values()].reduce((sum, versions) => sum + versions, 0);
    t.log(`${kind}: ${total} events, ${boxes.received[kind].length - total} repeated by ${kills} kills`);
  }
  await relay.kill('SIGTERM');
});

test.serial('a second relay stands by and takes over within seconds', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay(Object.values(boxes.sources));
  for (const kind of KINDS) await boxes.write(kind, 'one', 1);
  await until(() => KINDS.every((kind) => arrived(boxes, kind, 'one')), 'the first relays');
  const second = await startRelay(Object.values(boxes.sources));
  const standsBy = (source: string) => second.output().includes(`"source":"${source[0]}","state":"standby"`);
  await until(() => Object.values(boxes.sources).every(standsBy), 'the second stands by');
  await first.kill('SIGKILL');
  const killed = Date.now();
  for (const kind of KINDS) await boxes.write(kind, 'two', 1);
  // Six seconds or so: a lease's five, and one until it is asked for. Nobody has to do anything for it.
  await until(() => KINDS.every((kind) => arrived(boxes, kind, 'two')), 'the second takes over', 30_000);
  t.log(`after ${Date.now() - killed} ms`);
  t.pass();
  await second.kill('SIGTERM');
});

test.serial('a source that can not be read does not hold up the others', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay(['missing=postgres:no_such_database', boxes.sources.mongodb, boxes.sources.redis]);
  for (const kind of ['mongodb', 'redis'] as const) await boxes.write(kind, 'key', 1);
  await until(() => arrived(boxes, 'mongodb', 'key') && arrived(boxes, 'redis', 'key'), 'the others are relayed');
  await until(() => /database \\"no_such_database\\" does not exist/.test(relay.output()), 'the one that can not is told of');
  await relay.kill('SIGTERM');
  t.pass();
});

test.serial('log that has nothing for the relay is let go of', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'one', 1);
  await until(() => arrived(boxes, 'postgres', 'one'), 'relayed');
  await relay.isHealthy(); // It may have sent that before there was a slot.
  // In bytes of log. Other databases write to the same log, so what counts is where this one's bulk ends.
  const end = async (): Promise<number> => {
    const [row] = await boxes.db.query<{ at: string }>(sql`select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') as at`);
    return Number(row?.at);
  };
  const letGoOf = async (): Promise<number> => {
    const [row] = await boxes.db.query<{ at: string }>(
      sql`select pg_wal_lsn_diff(confirmed_flush_lsn, '0/0') as at from pg_replication_slots where database = ${boxes.name}`,
    );
    return Number(row?.at);
  };
  const before = await end();
  await boxes.db.query(sql`create table bulk as select repeat(md5(i::text), 32) as text from generate_series(1, 20000) i`);
  const after = await end();
  t.true(after - before > 10_000_000);
  // By the relay's own word, every 10 s: the server would ask for one only after 30 s of silence.
  await until(async () => (await letGoOf()) >= after, 'the slot moves on', 28_000);
  // And it has not moved too far.
  await boxes.write('postgres', 'two', 1);
  await until(() => arrived(boxes, 'postgres', 'two'), 'relayed');
  await relay.kill('SIGTERM');
  t.pass();
});
