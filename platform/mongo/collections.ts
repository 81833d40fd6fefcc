import { type Collection, type Db, MongoServerError } from 'mongodb';
import type { RecordState } from '../operations/operation.ts';
import { OPERATIONS_KEPT_SECONDS, UNDO_KEPT_SECONDS } from '../operations/retention.ts';

// The collections of platform/operations and platform/outbox, in the database of each service.

/** How a collection `operations` keeps an operation's record. */
export interface OperationDocument {
  _id: string;
  step: string;
  state: RecordState;
  result?: unknown;
  undo?: unknown;
  /** Whose personal data is in `undo`. */
  undoOf?: string;
  at: Date;
}

/** How a collection `outbox` keeps an event; the relay reads it by its change stream. */
export interface OutboxDocument {
  _id: string;
  aggregatetype: string;
  aggregateid: string;
  type: string;
  /** JSON text: a document could not hold every key, and would be parsed and printed for nothing. */
  payload: string;
  version: number;
  traceparent: string;
  createdAt: Date;
}

export const operationsOf = (db: Db): Collection<OperationDocument> => db.collection('operations');
export const outboxOf = (db: Db): Collection<OutboxDocument> => db.collection('outbox');

/** Makes the indexes that are missing. */
export async function indexCollections(db: Db): Promise<void> {
  await expireOperations(db);
  await operationsOf(db).createIndex({ state: 1, at: 1 });
  await operationsOf(db).createIndex({ undoOf: 1 }, { partialFilterExpression: { undoOf: { $exists: true } } });
  await outboxOf(db).createIndex({ createdAt: 1 });
}

const INDEX_OPTIONS_CONFLICT = 85;

/** An index that is there with another time, as an older version made it, is given this one. */
async function expireOperations(db: Db): Promise<void> {
  const expireAfterSeconds = OPERATIONS_KEPT_SECONDS;
  try {
    await operationsOf(db).createIndex({ at: 1 }, { expireAfterSeconds });
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== INDEX_OPTIONS_CONFLICT) throw error;
    await db.command({ collMod: 'operations', index: { keyPattern: { at: 1 }, expireAfterSeconds } });
  }
}

/** Forgets what undos need when its time is over. (A TTL index forgets the records, but it could not forget a part of one.) */
export async function pruneOperations(db: Db): Promise<void> {
  const isOld = { $expr: { $lt: ['$at', { $subtract: ['$$NOW', UNDO_KEPT_SECONDS * 1_000] }] } };
  await operationsOf(db).updateMany({ state: 'done', ...isOld }, { $set: { state: 'final' }, $unset: { undo: '', undoOf: '' } });
}
