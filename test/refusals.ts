import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { address } from './client.ts';

/** A server that runs and will not do its work: how it is made to, and how it is brought back. */
export interface Refusal {
  server: string;
  /** "refuses the password", "is full": completes "PostgreSQL …". */
  what: string;
  /** Who has to say so, by which probe; absent: the short tests leave it to `npm run bench refusals`. */
  told?: Record<string, RegExp>;
  /** @returns what ends it */
  begin(system: System): Promise<() => Promise<void>>;
}

/** What is refused in: the process IDs and the data folder of a running stack. */
interface System {
  pids: Record<string, number>;
  dataDir: string;
}

const postgres = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: address('MUSUBI_POSTGRES_URL') });
  await client.connect();
  return client;
};

/** Ends every other session, so that no client works on with what it was granted before. */
const END_SESSIONS = `select pg_terminate_backend(pid, 1000) from pg_stat_activity where pid <> pg_backend_pid() and backend_type in ('client backend', 'walsender')`;

/** Of every user that a program of ours has. */
async function postgresPassword(): Promise<() => Promise<void>> {
  const given = Object.entries(process.env).filter(([name]) => /^MUSUBI_(\w+_)?POSTGRES_URL$/.test(name));
  const urls = given.map(([, url = '']) => new URL(url));
  const client = await postgres();
  const set = async (rotated?: string): Promise<void> => {
    for (const { username, password } of urls) {
      const text = client.escapeLiteral(rotated ?? decodeURIComponent(password));
      await client.query(`alter role ${client.escapeIdentifier(username)} password ${text}`);
    }
  };
  await set('rotated');
  await client.query(END_SESSIONS);
  return async () => {
    await set();
    await client.end();
  };
}

async function postgresReadOnly(): Promise<() => Promise<void>> {
  const client = await postgres();
  await client.query('alter system set default_transaction_read_only = on');
  await client.query('select pg_reload_conf()');
  return async () => {
    await client.query('set default_transaction_read_only = off');
    await client.query('alter system reset default_transaction_read_only');
    await client.query('select pg_reload_conf()');
    await client.end();
  };
}

async function mongoLocked(): Promise<() => Promise<void>> {
  const client = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
  await client.db('admin').command({ fsync: 1, lock: true });
  return async () => {
    await client.db('admin').command({ fsyncUnlock: 1 });
    await client.close();
  };
}

/** A single node that stepped down: it reads, and refuses every write. */
async function mongoReadOnly(): Promise<() => Promise<void>> {
  const client = await new MongoClient(address('MUSUBI_MONGODB_URL'), { directConnection: true }).connect();
  const db = client.db('admin');
  await db.command({ replSetStepDown: 600, force: true });
  return async () => {
    await db.command({ replSetFreeze: 0 });
    await client.close();
  };
}

async function redis(): Promise<Redis> {
  const client = new Redis(address('MUSUBI_REDIS_URL'), { lazyConnect: true });
  await client.connect();
  return client;
}

export async function redisFull(): Promise<() => Promise<void>> {
  const client = await redis();
  await client.config('SET', 'maxmemory', '1');
  return async () => {
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
  };
}

async function redisPassword(): Promise<() => Promise<void>> {
  const client = await redis();
  const users = ((await client.acl('USERS')) as string[]).filter((user) => /^musubi_/.test(user));
  for (const user of users) await client.acl('SETUSER', user, 'off');
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  return async () => {
    for (const user of users) await client.acl('SETUSER', user, 'on');
    client.disconnect();
  };
}

/** A replica of a server that is not there keeps its data and refuses writes. */
async function redisReadOnly(): Promise<() => Promise<void>> {
  const client = await redis();
  await client.replicaof('127.0.0.1', 1);
  return async () => {
    await client.replicaof('NO', 'ONE');
    client.disconnect();
  };
}

/** Another writer holds Temporal's database, as a full disk would: it reads, and commits nothing. */
export async function temporalReadOnly({ dataDir }: Pick<System, 'dataDir'>): Promise<() => Promise<void>> {
  // Temporal writes now and then by itself: its transaction is waited for.
  const database = new DatabaseSync(join(dataDir, 'temporal', 'temporal.sqlite'), { timeout: 10_000 });
  database.exec('begin immediate');
  return async () => {
    database.exec('rollback');
    database.close();
  };
}

/** A process and all that it started: PostgreSQL's are sessions of their own, which no signal to a group would reach. */
function family(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' '))
    .filter(Boolean);
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** SIGSTOP to all of a server's processes: it holds its connections and answers nothing. */
function hang(server: string, told?: Refusal['told']): Refusal {
  return {
    server,
    what: 'hangs',
    ...(told ? { told } : {}),
    async begin({ pids }) {
      const members = family(pids[server] ?? Number.NaN);
      for (const pid of members) process.kill(pid, 'SIGSTOP');
      return async () => {
        for (const pid of members) process.kill(pid, 'SIGCONT');
      };
    },
  };
}

export const REFUSALS: readonly Refusal[] = [
  {
    server: 'postgres',
    what: 'refuses the password',
    told: { member: /^postgres/, query: /^postgres/, relay: /^outbox/ },
    begin: postgresPassword,
  },
  {
    server: 'postgres',
    what: 'is read-only',
    told: { member: /member, writing$/, role: /role, writing$/, query: /query, writing$/ },
    begin: postgresReadOnly,
  },
  hang('postgres'),
  { server: 'mongodb', what: 'takes no writes', told: { auth: /writing$/ }, begin: mongoLocked },
  { server: 'mongodb', what: 'is read-only', begin: mongoReadOnly },
  hang('mongodb'),
  {
    server: 'redis',
    what: 'is full',
    told: { job: /^redis, writing$/, websocket: /^redis, writing$/ },
    begin: redisFull,
  },
  { server: 'redis', what: 'refuses the password', begin: redisPassword },
  { server: 'redis', what: 'is read-only', begin: redisReadOnly },
  hang('redis'),
  hang('kafka', { query: /^kafka group/, websocket: /^kafka group/, relay: /^kafka$/ }),
  { server: 'temporal', what: 'can not write', told: { worker: /^temporal$/, gateway: /^temporal$/ }, begin: temporalReadOnly },
  hang('temporal'),
];
