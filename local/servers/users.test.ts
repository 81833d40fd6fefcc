import test from 'ava';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { openMongo } from '#platform/mongo/database.ts';
import { MongoSource } from '#platform/outbox/mongo-source.ts';
import { PostgresSource } from '#platform/outbox/postgres-source.ts';
import { RedisSource } from '#platform/outbox/redis-source.ts';
import type { RelayContext } from '#platform/outbox/source.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { openStore as openMembers } from '../../services/member/store.ts';
import { openStore as openQueries } from '../../services/query/store.ts';
import { openStore as openRoles } from '../../services/role/store.ts';
import { ownServer } from '../../test/own-server.ts';
import { makeUsers as makeMongoUsers } from './mongodb-users.ts';
import { makeUsers as makePostgresUsers } from './postgres-users.ts';
import { makeUsers as makeRedisUsers } from './redis-users.ts';

// What each program's user of a store may do, tried on real servers.

const log = createLogger('test', 'silent');

/** A relay that leads and publishes everything, until it has published once. */
function relaying(): { context: RelayContext; published: Promise<string[]>; end(): void } {
  const ended = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const context: RelayContext = {
    signal: ended.signal,
    lead: async () => undefined,
    standBy: () => undefined,
    waits: () => false,
    publish: async (events) => {
      resolve(events.map(({ type }) => String(type)));
      return events.map(({ key }) => key);
    },
  };
  return { context, published: promise, end: () => ended.abort() };
}

test('on PostgreSQL a program reads what is its own, and nothing of another', async (t) => {
  const server = await ownServer('postgres');
  t.teardown(() => server.stop());
  const lifecycle = new Lifecycle(log, 10_000);
  t.teardown(() => lifecycle.stop('test'));
  const admin = server.addresses.MUSUBI_POSTGRES_URL ?? '';
  const programs = ['member', 'role', 'query', 'relay'];
  // A system that is older than its users: one of its databases is there, made by the one user of then.
  await openMembers({ url: new Secret(admin), log, lifecycle });
  const urls = await makePostgresUsers(admin, programs);
  t.deepEqual(
    Object.keys(urls),
    programs.map((name) => `MUSUBI_${name.toUpperCase()}_POSTGRES_URL`),
  );
  const urlOf = (program: string): string => urls[`MUSUBI_${program.toUpperCase()}_POSTGRES_URL`] ?? '';
  const as = async (program: string, database: string, query: string): Promise<unknown> => {
    const client = new pg.Client({ connectionString: Object.assign(new URL(urlOf(program)), { pathname: `/${database}` }).href });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.query(query);
    } finally {
      await client.end();
    }
  };
  // Each can do all that it does: make its tables and use them.
  await openMembers({ url: new Secret(urlOf('member')), log, lifecycle });
  await openRoles({ url: new Secret(urlOf('role')), log, lifecycle });
  await openQueries({ url: new Secret(urlOf('query')), log, lifecycle });
  lifecycle.markStarted();
  t.deepEqual({ ...(await lifecycle.unready()), ...(await lifecycle.degraded()) }, {});

  for (const program of programs) {
    for (const database of ['musubi_member', 'musubi_role', 'musubi_query']) {
      const own = database === `musubi_${program}` || (program === 'relay' && database !== 'musubi_query');
      const read = as(program, database, 'select 1');
      if (own) await t.notThrowsAsync(read, `${program} ${database}`);
      else await t.throwsAsync(read, { message: /permission denied for database/ }, `${program} ${database}`);
    }
    await t.throwsAsync(as(program, 'postgres', 'create database stolen'), { message: /permission denied/ }, program);
    await t.throwsAsync(as(program, 'postgres', `alter role musubi password 'x'`), { message: /permission denied/ }, program);
    await t.throwsAsync(as(program, 'postgres', 'select * from pg_authid'), { message: /permission denied/ }, program);
    await t.throwsAsync(as(program, 'postgres', `copy (select 1) to program 'true'`), { message: /permission denied/ }, program);
  }
  // The relay follows an outbox, and makes what tells of it.
  const insert = `insert into outbox (id, aggregatetype, aggregateid, type, payload, version) values (gen_random_uuid(), 'member', 'a', 'member.created', '{}', 1)`;
  await as('member', 'musubi_member', insert);
  await as('member', 'musubi_member', 'drop publication outbox_pub');
  const { context, published, end } = relaying();
  const source = new PostgresSource({ name: 'member', url: new Secret(urlOf('relay')), database: 'musubi_member', log });
  const running = source.run(context);
  t.deepEqual(await Promise.race([published, running.then(() => [])]), ['member.created']);
  end();
  await running;
  // Another start gives other passwords, and loses nothing.
  const again = await makePostgresUsers(admin, programs);
  t.not(again.MUSUBI_MEMBER_POSTGRES_URL, urls.MUSUBI_MEMBER_POSTGRES_URL);
  await t.throwsAsync(as('member', 'musubi_member', 'select 1'), { message: /password authentication failed/ });
});

test('on MongoDB a program reads what is its own, and the relay no more than outboxes', async (t) => {
  const server = await ownServer('mongodb');
  t.teardown(() => server.stop());
  const lifecycle = new Lifecycle(log, 10_000);
  t.teardown(() => lifecycle.stop('test'));
  const admin = server.addresses.MUSUBI_MONGODB_URL ?? '';
  const root = new MongoClient(admin);
  t.teardown(() => root.close());
  const makeUsers = () => makeMongoUsers(admin, (command) => root.db('admin').command(command), ['auth', 'relay']);
  await makeUsers();
  const urls = await makeUsers();
  const as = async <T>(url: string, work: (client: MongoClient) => Promise<T>): Promise<T> => {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };
  const [auth = '', relay = ''] = [urls.MUSUBI_AUTH_MONGODB_URL, urls.MUSUBI_RELAY_MONGODB_URL];
  const db = await openMongo({ url: new Secret(auth), database: 'musubi_auth', log, lifecycle });
  lifecycle.markStarted();
  t.deepEqual({ ...(await lifecycle.unready()), ...(await lifecycle.degraded()) }, {});
  await db.db.collection<{ _id: string }>('members').insertOne({ _id: 'a' });
  await root.db('musubi_other').collection<{ _id: string }>('things').insertOne({ _id: 'a' });

  const denied = { message: /not authorized|requires authentication/ };
  await t.throwsAsync(
    as(auth, (client) => client.db('musubi_other').collection('things').findOne()),
    denied,
  );
  await t.throwsAsync(
    as(auth, (client) => client.db('admin').collection('system.users').findOne()),
    denied,
  );
  await t.throwsAsync(
    as(auth, (client) => client.db('admin').command({ createUser: 'x', pwd: 'x', roles: ['root'] })),
    denied,
  );
  await t.throwsAsync(
    as(relay, (client) => client.db('musubi_auth').collection('members').findOne()),
    denied,
  );
  await t.throwsAsync(
    as(relay, (client) => client.db('musubi_auth').collection('outbox').insertOne({ a: 1 })),
    denied,
  );
  const address = new URL(admin);
  const stranger = `mongodb://${address.host}${address.pathname}${address.search}`;
  await t.throwsAsync(
    as(stranger, (client) => client.db('musubi_auth').collection('members').findOne()),
    denied,
  );
  await t.throwsAsync(
    as(stranger, (client) => client.db('admin').command({ createUser: 'x', pwd: 'x', roles: ['root'] })),
    denied,
  );

  const { context, published, end } = relaying();
  const running = new MongoSource({ name: 'auth', url: new Secret(relay), database: 'musubi_auth' }).run(context);
  const row = {
    aggregatetype: 'auth',
    aggregateid: 'a',
    type: 'auth.login-told',
    payload: '{}',
    version: 1,
    traceparent: '',
    createdAt: new Date(),
  };
  await db.db.collection<{ _id: string }>('outbox').insertOne({ _id: 'e', ...row } as never);
  t.deepEqual(await Promise.race([published, running.then(() => [])]), ['auth.login-told']);
  end();
  await running;
});

test('on Redis a program reads what is its own, the relay no more than outboxes, and a stranger nothing', async (t) => {
  const server = await ownServer('redis');
  t.teardown(() => server.stop());
  const url = server.addresses.MUSUBI_REDIS_URL ?? '';
  const open = (at: string): Redis => {
    const client = new Redis(at, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    client.on('error', () => undefined);
    t.teardown(() => client.disconnect());
    return client;
  };
  const root = open(url);
  const programs = ['job', 'websocket', 'relay'];
  const urls = await makeRedisUsers(url, root, programs);
  t.deepEqual(
    Object.keys(urls),
    programs.map((name) => `MUSUBI_${name.toUpperCase()}_REDIS_URL`),
  );
  const urlOf = (program: string): string => urls[`MUSUBI_${program.toUpperCase()}_REDIS_URL`] ?? '';
  const [job, websocket, relay] = programs.map((program) => open(urlOf(program))) as [Redis, Redis, Redis];
  const denied = { message: /^NOPERM/ };

  // Each may do what it does.
  await job.hset('job:1', 'state', 'running');
  await job.eval(
    `redis.call('XADD', KEYS[1], '*', 'type', 'job.completed', 'aggregatetype', 'job', 'version', '1')`,
    1,
    'outbox:job',
  );
  await job.publish('job:finished', '1');
  await websocket.set('ws:instance:1', '1', 'PX', 60_000);
  await websocket.subscribe('ws:wake:1');
  for (const client of [job, websocket]) await client.set('write-probe', '1');

  // And nothing else.
  for (const [client, theirs] of [
    [job, 'ws:instance:1'],
    [websocket, 'job:1'],
    [websocket, 'outbox:job'],
    [relay, 'job:1'],
    [relay, 'ws:instance:1'],
  ] as const) {
    await t.throwsAsync(client.exists(theirs), denied, theirs);
    await t.throwsAsync(
      client.eval(`return redis.call('DEL', '${theirs}')`, 0),
      { message: /NOPERM|No permissions|can't access/ },
      theirs,
    );
  }
  await t.throwsAsync(job.publish('ws:wake:1', 'x'), denied);
  await t.throwsAsync(job.subscribe('ws:wake:1'), denied);
  const harm = [
    ['FLUSHALL'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', '*'],
    ['ACL', 'LIST'],
    ['SHUTDOWN'],
    ['MONITOR'],
    ['SCRIPT', 'FLUSH'],
  ];
  for (const [command = '', ...given] of harm)
    for (const client of [job, relay]) await t.throwsAsync(client.call(command, ...given), denied, command);
  await t.throwsAsync(open(`redis://${new URL(url).host}`).ping(), { message: /NOAUTH/ });

  // The relay empties an outbox.
  const { context, published, end } = relaying();
  const source = new RedisSource({ name: 'job', url: new Secret(urlOf('relay')), place: 'outbox:job', log });
  const running = source.run(context);
  t.deepEqual(await Promise.race([published, running.then(() => [])]), ['job.completed']);
  end();
  await running;

  // The server keeps its users, and another start gives other passwords.
  await server.stack.restart('redis');
  t.is(await open(urlOf('job')).ping(), 'PONG');
  await makeRedisUsers(url, open(url), programs);
  await t.throwsAsync(open(urlOf('job')).ping(), { message: /WRONGPASS/ });
});
