import { type Db, MongoClient, MongoError, MongoServerError } from 'mongodb';
import type { Secret } from './config.ts';
import { aborted, MusubiError, unavailable } from './errors.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';
import { pruneOperations } from './operations/mongo.ts';
import { OPERATIONS_KEPT_SECONDS, pruneHourly } from './operations/retention.ts';
import { patiently } from './patience.ts';

/** A service's own MongoDB database. */
export interface Mongo {
  client: MongoClient;
  db: Db;
}

/**
 * Opens a service's database on a replica set (transactions and change streams need one), makes the indexes
 * of the platform's collections (`operations`, `outbox`), registers readiness and stop.
 * Waits up to a minute for a server that is not there yet; one that goes away later is found again by the driver.
 * Reads and writes have majority concern: what was acknowledged survives a failover.
 */
export async function openMongo(options: { url: Secret; database: string; log: Logger; lifecycle: Lifecycle }): Promise<Mongo> {
  const { database, log, lifecycle } = options;
  const client = new MongoClient(options.url.reveal(), {
    appName: 'musubi',
    maxPoolSize: 10,
    connectTimeoutMS: 3_000,
    serverSelectionTimeoutMS: 3_000,
    socketTimeoutMS: 12_000,
    writeConcern: { w: 'majority' },
    readConcern: { level: 'majority' },
    ignoreUndefined: true,
  });
  const mongo = { client, db: client.db(database) };
  lifecycle.onReady(`mongodb ${database}`, () => mongo.db.command({ ping: 1 }, { timeoutMS: 900 }));
  lifecycle.onStop(`mongodb ${database}`, 'stores', () => client.close());
  const setUp = async (): Promise<void> => {
    await expireOperations(mongo.db);
    await mongo.db.collection('operations').createIndex({ state: 1, at: 1 });
    await mongo.db.collection('outbox').createIndex({ createdAt: 1 });
  };
  await patiently(setUp, { server: 'MongoDB', toKnown: toMongoError, log, lifecycle });
  pruneHourly(() => pruneOperations(mongo), options);
  return mongo;
}

const INDEX_OPTIONS_CONFLICT = 85;

/** An index that is there with another time, as an older version made it, is given this one. */
async function expireOperations(db: Db): Promise<void> {
  const expireAfterSeconds = OPERATIONS_KEPT_SECONDS;
  try {
    await db.collection('operations').createIndex({ at: 1 }, { expireAfterSeconds });
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== INDEX_OPTIONS_CONFLICT) throw error;
    await db.command({ collMod: 'operations', index: { keyPattern: { at: 1 }, expireAfterSeconds } });
  }
}

/** Whether `error` says that a unique index refused a document; give `index` to mean that one only. */
export function isDuplicateKey(error: unknown, index?: string): boolean {
  if (!(error instanceof MongoServerError) || error.code !== 11_000) return false;
  return index === undefined || error.message.includes(` index: ${index} `);
}

const CONNECTION_ERRORS: ReadonlySet<string> = new Set([
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoServerSelectionError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoOperationTimeoutError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
]);

/** What callers see of an error of the database: a server that is away or changing its primary is UNAVAILABLE, a conflict ABORTED. */
export function toMongoError(error: unknown): unknown {
  if (error instanceof MusubiError || !(error instanceof MongoError)) return error;
  const away =
    CONNECTION_ERRORS.has(error.name) ||
    error.hasErrorLabel('RetryableWriteError') ||
    error.hasErrorLabel('UnknownTransactionCommitResult');
  if (away) return unavailable('STORE_UNAVAILABLE', 'the database is away', { cause: error });
  if (error.hasErrorLabel('TransientTransactionError')) {
    return aborted('STORE_CONFLICT', 'somebody else changes the same', { cause: error });
  }
  return error;
}
