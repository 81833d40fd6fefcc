import { MongoError, MongoServerError } from 'mongodb';
import { aborted, MusubiError, storeFull, storeUnavailable } from '../errors.ts';

/** Whether `error` says that a unique index refused a document; give `index` to mean that one only. */
export function isDuplicateKey(error: unknown, index?: string): boolean {
  if (!(error instanceof MongoServerError) || error.code !== 11_000) return false;
  return index === undefined || error.message.includes(` index: ${index} `);
}

/** The driver's names for a server that can't be reached, or not in time. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoServerSelectionError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoOperationTimeoutError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoStalePrimaryError',
]);

/**
 * The codes that speak of the command or its data: what does not parse or has the wrong type, names and options that are
 * none, what is not there, indexes that differ, and what an index or a validator refused. All other codes speak of
 * the server itself. https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
 */
const COMMAND: ReadonlySet<unknown> = new Set([
  ...[
    2, 4, 9, 10, 14, 15, 16, 17, 20, 21, 22, 26, 27, 28, 29, 30, 34, 40, 47, 48, 52, 53, 54, 55, 56, 57, 59, 66, 67, 68, 72, 73,
  ],
  ...[85, 86, 111, 115, 116, 121, 159, 165, 166, 167, 168, 171, 182, 195, 197, 224, 238, 241, 263, 10_334, 11_000, 11_001],
]);
/** WriteConflict, LockTimeout, and what becomes of a transaction that lost against another or took too long. */
const CONFLICTS: ReadonlySet<unknown> = new Set([24, 112, 225, 239, 246, 251]);
const OUT_OF_DISK_SPACE = 14_031;

/**
 * What callers see of an error of the database: a server that is away, changes its primary or refuses us is UNAVAILABLE
 * (`STORE_FULL` when its disk is full), a conflict that outlived its retries is ABORTED; what is the command's own fault
 * (duplicate keys too) stays as it is.
 */
export function toMongoError(error: unknown): unknown {
  if (error instanceof MusubiError || !(error instanceof MongoError)) return error;
  if (UNREACHABLE.has(error.name)) return storeUnavailable(error);
  if (!(error instanceof MongoServerError)) return error;
  if (error.code === OUT_OF_DISK_SPACE) return storeFull(error);
  if (error.hasErrorLabel('TransientTransactionError') && CONFLICTS.has(error.code)) {
    return aborted('STORE_CONFLICT', 'somebody else changes the same', { cause: error });
  }
  // Assertions on a command's form have numbers for names.
  const commandsFault = COMMAND.has(error.code) || String(error.codeName ?? '').startsWith('Location');
  return commandsFault ? error : storeUnavailable(error);
}
