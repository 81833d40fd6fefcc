import { type Db, MongoClient, MongoServerError } from 'mongodb';
import { patiently } from '../concurrency/patience.ts';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { pruneHourly } from '../operations/retention.ts';
import type { Secret } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { sparing } from '../process/probe.ts';
import { keepMade } from '../process/upkeep.ts';
import { indexCollections, pruneOperations } from './collections.ts';
import { isDuplicateKey, toMongoError } from './errors.ts';

export { isDuplicateKey, toMongoError } from './errors.ts';

/** A service's own MongoDB database. */
export interface Mongo {
  client: MongoClient;
  db: Db;
}

export interface MongoOptions {
  url: Secret;
  database: string;
  /** Makes the indexes of the service's own collections. It is called again and again: what is there it leaves alone. */
  makeIndexes?: (db: Db) => Promise<unknown>;
  log: Logger;
  lifecycle: Lifecycle;
}

/**
 * Opens a service's database on a replica set (transactions and change streams need one), keeps its indexes and those
 * of the platform's collections (`operations`, `outbox`) made, registers probes and stop: without an answer the process
 * is not ready, while writes fail it is degraded.
 * Waits up to a minute for a server that is not there yet; one that goes away later is found again by the driver.
 * Reads and writes have majority concern: what was acknowledged survives a failover.
 */
export async function openMongo(options: MongoOptions): Promise<Mongo> {
  const { database, makeIndexes, log, lifecycle } = options;
  const client = new MongoClient(options.url.reveal(), {
    appName: 'musubi',
    maxPoolSize: 10,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    serverSelectionTimeoutMS: CONNECT_TIMEOUT_MS,
    socketTimeoutMS: 12_000,
    // Who finds every connection busy for so long is refused, before its caller gives up.
    waitQueueTimeoutMS: 4_000,
    writeConcern: { w: 'majority' },
    readConcern: { level: 'majority' },
    ignoreUndefined: true,
  });
  const mongo = { client, db: client.db(database) };
  lifecycle.onReady(`mongodb ${database}`, () => mongo.db.command({ ping: 1, maxTimeMS: 900 }));
  lifecycle.onStop(`mongodb ${database}`, 'stores', () => client.close());
  const write = (): Promise<unknown> =>
    mongo.db
      .collection<{ _id: string }>('write_probe')
      .updateOne({ _id: 'probe' }, { $set: { at: new Date() } }, { upsert: true, maxTimeMS: 3_000 });
  lifecycle.onHealthy(
    `mongodb ${database}, writing`,
    sparing(() => write().catch((error: unknown) => Promise.reject(toMongoError(error)))),
  );
  const make = async (): Promise<void> => {
    await indexCollections(mongo.db);
    await makeIndexes?.(mongo.db).catch(toUntold);
  };
  await patiently(() => keepMade(`indexes of ${database}`, make, options), {
    server: 'MongoDB',
    toKnown: toMongoError,
    log,
    lifecycle,
  });
  pruneHourly(() => pruneOperations(mongo.db), options);
  return mongo;
}

/** The server's own words show the value that is there twice, and probes and logs would. */
function toUntold(error: unknown): never {
  if (!(error instanceof MongoServerError) || !isDuplicateKey(error)) throw error;
  throw new Error(`the unique index ${/ index: (\S+)/.exec(error.message)?.[1]} can not be made: something is there twice`);
}
