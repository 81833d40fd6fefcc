import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { address } from './client.ts';
import { pids } from './control.ts';

// What is done to servers of the running stack so that they are there and refuse: what they say is on no list, and
// their answers to a ping are as ever.

/** Makes a server refuse; what it returns makes it serve again. */
type Trouble = () => Promise<() => Promise<unknown>>;

async function redisFull(): Promise<() => Promise<unknown>> {
  const redis = new Redis(address('MUSUBI_REDIS_URL'));
  await redis.config('SET', 'maxmemory', '1');
  return async () => {
    await redis.config('SET', 'maxmemory', '0');
    redis.disconnect();
  };
}

/** A session that lasts, and writes whatever the default. */
async function postgresSession(): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: address('MUSUBI_POSTGRES_URL'),
    options: '-c default_transaction_read_only=off',
  });
  await client.connect();
  return client;
}

async function postgresReadOnly(): Promise<() => Promise<unknown>> {
  const client = await postgresSession();
  await client.query('alter system set default_transaction_read_only = on');
  await client.query('select pg_reload_conf()');
  return async () => {
    await client.query('alter system reset default_transaction_read_only');
    await client.query('select pg_reload_conf()');
    await client.end();
  };
}

async function postgresPassword(): Promise<() => Promise<unknown>> {
  const client = await postgresSession();
  const { username, password } = new URL(address('MUSUBI_POSTGRES_URL'));
  const change = (to: string) => client.query(`alter role ${pg.escapeIdentifier(username)} password ${pg.escapeLiteral(to)}`);
  await change('another');
  await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename is not null',
  );
  return async () => {
    await change(password);
    await client.end();
  };
}

async function mongoLocked(): Promise<() => Promise<unknown>> {
  const client = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
  await client.db('admin').command({ fsync: 1, lock: true });
  return async () => {
    await client.db('admin').command({ fsyncUnlock: 1 });
    await client.close();
  };
}

async function kafkaHung(): Promise<() => Promise<unknown>> {
  const { kafka = 0 } = await pids();
  process.kill(kafka, 'SIGSTOP');
  return async () => process.kill(kafka, 'SIGCONT');
}

async function temporalLocked(): Promise<() => Promise<unknown>> {
  const database = new DatabaseSync(join(process.env.MUSUBI_TEST_DATA ?? '', 'temporal/temporal.sqlite'), { timeout: 5_000 });
  database.exec('begin immediate');
  return async () => {
    database.exec('rollback');
    database.close();
  };
}

/** By what is wrong: how it begins, and who has to say so by which probe. */
export const TROUBLES: Record<string, { begin: Trouble; told: Record<string, RegExp> }> = {
  'Redis has no room': { begin: redisFull, told: { job: /^redis, writing$/, websocket: /^redis, writing$/ } },
  'PostgreSQL is read-only': {
    begin: postgresReadOnly,
    told: { member: /member, writing$/, role: /role, writing$/, query: /query, writing$/ },
  },
  'PostgreSQL has another password': {
    begin: postgresPassword,
    told: { member: /^postgres/, query: /^postgres/, relay: /^outbox/ },
  },
  'MongoDB takes no writes': { begin: mongoLocked, told: { auth: /writing$/ } },
  'Kafka hangs': { begin: kafkaHung, told: { query: /^kafka group/, websocket: /^kafka group/, relay: /^kafka$/ } },
  'Temporal takes no writes': { begin: temporalLocked, told: { worker: /^temporal$/, gateway: /^temporal$/ } },
};
