import { randomUUID } from 'node:crypto';
import test from 'ava';
import { pino } from 'pino';
import { type Database, sql } from '#platform/postgres/database.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { until } from '#platform/until.fixture.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { listen, notification } from './notifications.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('notifications');
let db: Database;
const told: { level: number; msg: string }[] = [];
const heard: AggregateVersion[] = [];
let hear: () => void = () => undefined;
test.before(async () => {
  db = await openStore(scratch);
  await listen({
    ...scratch,
    log: pino({ level: 'warn' }, { write: (line) => void told.push(JSON.parse(line)) }),
    onVisible: (versions) => {
      heard.push(...versions);
      hear();
    },
    onListening: async () => undefined,
  });
});
test.after.always(() => scratch.drop());

test('what makes no sense is logged and tells nothing, and what comes after it is heard', async (t) => {
  // Whoever may connect may notify; an exception in the listener would end the process.
  const senseless = ['', 'no JSON', '{"version": 1}', '[["member", "x"]]', '[["member", "x", "1"]]'];
  for (const payload of senseless) await db.query(sql`select pg_notify('visible', ${payload})`);
  const version = { type: 'member', id: randomUUID(), version: 1 };
  const next = new Promise<void>((resolve) => {
    hear = () => void (heard.length > 0 && resolve());
  });
  await db.query(notification([version]));
  await next;
  t.deepEqual(heard, [version]);
  t.deepEqual(
    told.map(({ msg }) => msg),
    senseless.map(() => 'a notification that makes no sense is ignored'),
  );
});

test('who can not listen is degraded', async (t) => {
  const lifecycle = new Lifecycle(scratch.log, 1_000);
  const nobody = new Secret('postgres://127.0.0.1:1/postgres');
  void listen({ ...scratch, url: nobody, lifecycle, onVisible: () => undefined, onListening: async () => undefined });
  const told = async () => (await lifecycle.degraded()).notifications ?? '';
  await until(async () => /ECONNREFUSED/.test(await told()));
  await lifecycle.stop('tested');
  t.pass();
});
