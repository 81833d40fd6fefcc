import test from 'ava';
import { MongoClient, MongoServerError } from 'mongodb';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import { MusubiError } from '../errors.ts';
import { Secret } from '../process/config.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { type Mongo, openMongo, toMongoError } from './database.ts';

// On a server of its own, which it locks.

let server: OwnServer;
let mongo: Mongo;
const { log, lifecycle } = testProcess('test-mongo');
const database = 'test_mongo';

test.before(async () => {
  server = await ownServer('mongodb');
  mongo = await openMongo({
    url: new Secret(server.addresses.MUSUBI_MONGODB_URL ?? ''),
    database,
    makeIndexes: (db) => db.collection('things').createIndex({ name: 1 }, { unique: true }),
    log,
    lifecycle,
  });
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  await server.stop();
});

const codeOf = (error: unknown): string => {
  const known = toMongoError(error);
  return known instanceof MusubiError ? known.code : 'the command';
};
const said = (code: number, more: object = {}): MongoServerError =>
  new MongoServerError({ ok: 0, code, errmsg: 'said', ...more });
const inTransaction = { errorLabels: ['TransientTransactionError'] };

test('what the server says of itself is no fault of a command', (t) => {
  t.is(codeOf(said(14_031)), 'STORE_FULL');
  const names: Record<string, number> = {
    InternalError: 1,
    Unauthorized: 13,
    AuthenticationFailed: 18,
    MaxTimeMSExpired: 50,
    WriteConcernTimeout: 64,
    ShutdownInProgress: 91,
    UnsatisfiableWriteConcern: 100,
    ExceededMemoryLimit: 146,
    PrimarySteppedDown: 189,
    ExceededTimeLimit: 262,
    NotWritablePrimary: 10_107,
    InterruptedAtShutdown: 11_600,
    NotPrimaryNoSecondaryOk: 13_435,
    'a code that a later release has': 987,
  };
  for (const [name, code] of Object.entries(names)) t.is(codeOf(said(code)), 'STORE_UNAVAILABLE', name);
  t.is(codeOf(said(189, inTransaction)), 'STORE_UNAVAILABLE', 'also in a transaction');
  t.is(codeOf(said(112, inTransaction)), 'STORE_CONFLICT');
  for (const code of [2, 9, 14, 121, 11_000]) t.is(codeOf(said(code)), 'the command', String(code));
  t.is(codeOf(said(40_415, { codeName: 'Location40415' })), 'the command');
  t.is(codeOf(new TypeError('ours')), 'the command');
});

test('a user whom the server does not know, or no more, is no fault of a command', async (t) => {
  const url = new URL(server.addresses.MUSUBI_MONGODB_URL ?? '');
  [url.username, url.password] = ['nobody', 'wrong'];
  const stranger = new MongoClient(url.href, { serverSelectionTimeoutMS: 3_000 });
  const error = await t.throwsAsync(stranger.db(database).collection('things').findOne());
  t.is(codeOf(error), 'STORE_UNAVAILABLE');
  await stranger.close();
});

test.serial('indexes that are gone are made again', async (t) => {
  const { db } = mongo;
  const there = async () => [
    ...(await db.collection('things').indexes()),
    ...(await db.collection('operations').indexes()),
    ...(await db.collection('outbox').indexes()),
  ];
  const made = await there();
  t.is(made.length, 8);
  await db.collection('things').dropIndex('name_1');
  await db.collection('operations').drop();
  await db.collection('outbox').dropIndexes();
  const again = async () => (await there().catch(() => [])).length === made.length;
  await until(() => again());
  t.deepEqual(await there(), made);
  t.true(made.some(({ name, unique }) => name === 'name_1' && unique));
});

test.serial('an index that can not be made again is told until it can', async (t) => {
  const things = mongo.db.collection<{ _id: number; name: string }>('things');
  await things.dropIndex('name_1');
  await things.insertMany([
    { _id: 1, name: 'twice' },
    { _id: 2, name: 'twice' },
  ]);
  const told = async () => (await lifecycle.degraded())[`indexes of ${database}`];
  await until(async () => (await told()) !== undefined);
  t.is(await told(), 'the unique index name_1 can not be made: something is there twice');
  await things.deleteOne({ _id: 2 });
  await until(async () => (await told()) === undefined);
  t.pass();
});

test.serial('a server that takes no writes answers, and the probe that writes says so; what only reads goes on', async (t) => {
  const told = async () => (await lifecycle.degraded())[`mongodb ${database}, writing`];
  await until(async () => (await told()) === undefined);
  const admin = mongo.client.db('admin');
  await admin.command({ fsync: 1, lock: true });
  try {
    await until(async () => (await told()) !== undefined);
    t.deepEqual(await lifecycle.unready(), {});
  } finally {
    await admin.command({ fsyncUnlock: 1 });
  }
  await until(async () => (await told()) === undefined);
  t.pass();
});

test.serial('a server that hangs is away, to calls and to probes, until it answers', async (t) => {
  await server.pause();
  try {
    await until(async () => (await lifecycle.unready())[`mongodb ${database}`] !== undefined); // one that was asked before
    const error = await t.throwsAsync(mongo.db.collection('things').findOne({}, { maxTimeMS: 2_000 }));
    t.is(codeOf(error), 'STORE_UNAVAILABLE');
  } finally {
    await server.resume();
  }
  await until(async () => (await lifecycle.unready())[`mongodb ${database}`] === undefined);
  await t.notThrowsAsync(mongo.db.collection('things').findOne());
});
