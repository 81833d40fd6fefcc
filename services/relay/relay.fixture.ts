import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutionContext } from 'ava';
import { kafkaClient } from '#platform/kafka/client.ts';
import { type EventMessage, subscribe } from '#platform/kafka/subscribe.ts';
import { type Mongo, openMongo } from '#platform/mongo/database.ts';
import * as onMongo from '#platform/operations/mongo.ts';
import type { OutboxEvent } from '#platform/operations/postgres.ts';
import * as onPostgres from '#platform/operations/postgres.ts';
import { topicOf, toRecord } from '#platform/outbox/event.ts';
import { EMIT_LUA, outboxStream } from '#platform/outbox/redis-outbox.ts';
import { type Database, openDatabase, sql } from '#platform/postgres/database.ts';
import { openRedis, type Redis } from '#platform/redis/client.ts';
import { dropDatabase, servers, testProcess, uniqueName } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { Ports } from '../../local/ports.ts';

/** A service with an outbox on each kind of store, and somebody who listens to all of them. */
export interface Outboxes {
  name: string;
  db: Database;
  mongo: Mongo;
  redis: Redis;
  /** MUSUBI_RELAY_SOURCES of these outboxes. */
  sources: Record<Kind, string>;
  /** Commits one event, with so many bytes beside the rest. */
  write(kind: Kind, key: string, version: number, bytes?: number): Promise<void>;
  /** Returns when there are topics. */
  subscribed(): Promise<void>;
  /** What has arrived, in its order. */
  received: Record<Kind, EventMessage[]>;
  /** Drops the PostgreSQL database, whoever uses it, and makes it again. */
  remakeDatabase(): Promise<void>;
  /** How many events are in the outbox. */
  unsent(kind: Kind): Promise<number>;
  close(): Promise<void>;
}

export const KINDS = ['postgres', 'mongodb', 'redis'] as const;
export type Kind = (typeof KINDS)[number];

/** Outboxes for a test, which it leaves in order. */
export async function outboxes(t: ExecutionContext): Promise<Outboxes> {
  const made = await openOutboxes();
  t.teardown(async () => {
    await killRelays(made);
    await made.close();
  });
  return made;
}

export const arrived = (boxes: Outboxes, kind: Kind, key: string, version = 1): boolean =>
  boxes.received[kind].some((event) => event.subject === key && event.version === version);

async function openOutboxes(): Promise<Outboxes> {
  const name = uniqueName('test_relay');
  const { log, lifecycle } = testProcess(name);
  const folder = await mkdtemp(join(tmpdir(), 'musubi-'));
  const open = (): Promise<Database> =>
    openDatabase({ url: servers.postgres(), database: name, migrations: pathToFileURL(`${folder}/`), log, lifecycle });
  let db = await open();
  const mongo = await openMongo({ url: servers.mongodb(), database: name, log, lifecycle });
  const redis = await openRedis({ url: servers.redis(), log, lifecycle });
  const aggregateType = (kind: Kind): string => `${name}_${kind}`;
  const received: Record<Kind, EventMessage[]> = { postgres: [], mongodb: [], redis: [] };
  subscribe({
    brokers: servers.kafka(),
    group: name,
    handlers: Object.fromEntries(
      KINDS.map((kind) => [topicOf(aggregateType(kind)), async (events: EventMessage[]) => void received[kind].push(...events)]),
    ),
    log,
    lifecycle,
  });

  return {
    name,
    get db() {
      return db;
    },
    mongo,
    redis,
    received,
    sources: { postgres: `p=postgres:${name}`, mongodb: `m=mongodb:${name}`, redis: `r=redis:${outboxStream(name)}` },
    async subscribed() {
      await until(async () => Object.keys(await lifecycle.degraded()).length === 0, 'the topics are there');
    },
    async write(kind, key, version, bytes = 0) {
      const event: OutboxEvent = {
        aggregateType: aggregateType(kind),
        aggregateId: key,
        version,
        type: 'written',
        payload: { key, version, ...(bytes ? { bytes: 'x'.repeat(bytes) } : {}) },
      };
      const step = { do: async () => ({ result: null, events: [event] }) };
      const request = { operationId: `${kind}/${key}/${version}` };
      if (kind === 'postgres') await onPostgres.runStep(db, 'write', step, request);
      else if (kind === 'mongodb') await onMongo.runStep({ mongo }, 'write', step, request);
      else {
        const { id, traceparent, time, ...record } = toRecord(event);
        const about = [record.aggregateType, key, String(version), event.type, JSON.stringify(event.payload)];
        const script = `${EMIT_LUA} emit(KEYS[1], unpack(ARGV))`;
        await redis.eval(script, 1, outboxStream(name), id, traceparent, String(time.getTime()), ...about);
      }
    },
    async remakeDatabase() {
      await dropDatabase(servers.postgres(), name);
      db = await open();
    },
    async unsent(kind) {
      if (kind === 'redis') return redis.xlen(outboxStream(name));
      if (kind === 'mongodb') return mongo.db.collection('outbox').countDocuments();
      return (await db.query(sql`select from outbox`)).length;
    },
    async close() {
      const keys = await redis.keys(`*${name}*`);
      if (keys.length > 0) await redis.del(keys);
      await mongo.db.dropDatabase();
      await lifecycle.stop('tested');
      await dropDatabase(servers.postgres(), name);
      await deleteTopics([...KINDS.map((kind) => topicOf(aggregateType(kind))), `${name}.dead-letter`, `${name}.redrive`], name);
      await rm(folder, { recursive: true });
    },
  };
}

async function deleteTopics(topics: string[], group: string): Promise<void> {
  const { log } = testProcess('clean up');
  const admin = kafkaClient({ brokers: servers.kafka(), clientId: 'clean-up', log }).admin();
  await admin.connect();
  const existing = new Set(await admin.listTopics());
  await admin.deleteTopics({ topics: topics.filter((topic) => existing.has(topic)) });
  await admin.deleteGroups([group]).catch(() => undefined); // it may have no committed offset
  await admin.disconnect();
}

/** What /healthz says. */
export interface Health {
  status: 'healthy' | 'degraded' | 'not ready';
  unready: Record<string, string>;
  degraded: Record<string, string>;
}

/** A relay as a process of its own. */
export interface RelayProcess {
  child: ChildProcess;
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** What it has logged. */
  output(): string;
  health(): Promise<Health>;
  /** Waits until what it says of a source is like this. */
  says(source: string, what: RegExp, ms?: number): Promise<void>;
  /** Waits until it says that all is well. */
  isHealthy(ms?: number): Promise<void>;
}

/** With what they relay. */
const running = new Map<RelayProcess, string[]>();

/** Ends the relays of these outboxes. */
async function killRelays({ sources }: Outboxes): Promise<void> {
  const own = [...running].filter(([, relayed]) => relayed.some((source) => Object.values(sources).includes(source)));
  await Promise.all(own.map(([relay]) => relay.kill('SIGKILL')));
}

/** The outboxes are a test's own. The users that the system's relay has see only those of the system. */
function environment(): NodeJS.ProcessEnv {
  const { MUSUBI_RELAY_POSTGRES_URL: _, MUSUBI_RELAY_MONGODB_URL: __, MUSUBI_RELAY_REDIS_URL: ___, ...others } = process.env;
  return others;
}

export async function startRelay(sources: string[], env: Record<string, string> = {}): Promise<RelayProcess> {
  const main = new URL('../../main.ts', import.meta.url).pathname;
  const ports = new Ports();
  const ops = `127.0.0.1:${await ports.reserve()}`;
  const child = spawn(process.execPath, [main, 'relay', '--sources', sources.join(',')], {
    env: { ...environment(), MUSUBI_OPS_LISTEN: ops, MUSUBI_LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  // Not 'exit': at that moment what it logged last may still be on its way.
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      running.delete(relay);
      resolve();
    });
  });
  const health = async (): Promise<Health> => (await (await fetch(`http://${ops}/healthz`)).json()) as Health;
  let last: unknown = 'nothing';
  const untilHealth = (what: string, is: (said: Health) => boolean, ms?: number): Promise<void> =>
    until(
      async () => {
        last = await health().catch(String);
        return typeof last === 'object' && is(last as Health);
      },
      what,
      ms,
    ).catch((error: unknown) => {
      throw new Error(`${error}; it said ${JSON.stringify(last)}\n${output}`);
    });
  const relay: RelayProcess = {
    child,
    output: () => output,
    async kill(signal) {
      child.kill(signal);
      await exited;
      await ports.release();
    },
    health,
    says: (source, what, ms) =>
      untilHealth(`${source}: ${what}`, ({ degraded }) => what.test(degraded[`outbox of ${source}`] ?? ''), ms),
    isHealthy: (ms) => untilHealth('healthy', ({ status }) => status === 'healthy', ms),
  };
  running.set(relay, sources);
  return relay;
}

/**
 * What is wrong with what arrived: keys' versions that are missing, or that a later one came before at their first
 * arrival. Repeats are allowed.
 */
export function faults(events: readonly EventMessage[], written: ReadonlyMap<string, number>): string[] {
  const seen = new Map<string, number>();
  const wrong: string[] = [];
  for (const { subject, version } of events) {
    const last = seen.get(subject) ?? 0;
    if (version <= last) continue;
    if (version !== last + 1) wrong.push(`${subject}: ${version} came after ${last}`);
    seen.set(subject, version);
  }
  for (const [key, version] of written) {
    if (seen.get(key) !== version) wrong.push(`${key}: ${version} was written, ${seen.get(key) ?? 0} arrived`);
  }
  return wrong;
}
