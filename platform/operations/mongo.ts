import type { ClientSession, Collection } from 'mongodb';
import { aborted } from '../errors.ts';
import { isDuplicateKey, type Mongo, toMongoError } from '../mongo.ts';
import { type OutboxEvent, payloadText, toRecord } from '../outbox/event.ts';
import { SpanKind, withSpan } from '../telemetry.ts';
import {
  asJson,
  checkOperationId,
  countRepeat,
  type Done,
  noUndoError,
  type Operation,
  type Undone,
  undoExpiredError,
  undoneError,
} from './operation.ts';
import { UNDO_KEPT_SECONDS } from './retention.ts';

export type { OutboxEvent } from '../outbox/event.ts';
export type { Done, Operation, Undone } from './operation.ts';

interface OperationDocument {
  _id: string;
  command: string;
  /** Final: done, and what its undo would need is no longer kept. */
  state: 'done' | 'final' | 'undone';
  result?: unknown;
  undo?: unknown;
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

/** A transaction with all its retries; below the deadline of 4.75 s that workers give a step, so that the answer is ours. */
const TRANSACTION_TIMEOUT_MS = 4_000;

const operationsOf = (mongo: Pick<Mongo, 'db'>): Collection<OperationDocument> => mongo.db.collection('operations');

/**
 * Does one step of a saga exactly once: the operation's record, the state that `work` writes and the events
 * are one transaction. A repeat, even a concurrent one, answers what the first time answered without running `work`.
 * After a write conflict `work` is run again from the start, so it must not change anything outside the transaction;
 * every call in it must be given the session.
 *
 * @throws INVALID_ARGUMENT without an operation ID; FAILED_PRECONDITION `OPERATION_UNDONE` after its undo;
 *   UNAVAILABLE when the server is away; ABORTED when somebody changes the same; what `work` throws: then nothing was written
 */
export async function runOperation<R, U = never>(
  mongo: Mongo,
  operation: Operation,
  work: (session: ClientSession) => Promise<Done<R, U>>,
): Promise<R> {
  const { operationId, command } = operation;
  checkOperationId(operationId);
  const operations = operationsOf(mongo);
  try {
    return await transaction(mongo, async (session) => {
      // The record comes first: a concurrent repeat conflicts with it, tries again, and then finds it.
      await insertNew(operations, { _id: operationId, command, state: 'done', at: new Date() }, session);
      const done = await work(session);
      const result = asJson(done.result);
      await operations.updateOne({ _id: operationId }, { $set: { result, undo: asJson(done.undo) } }, { session });
      await addEvents(mongo, session, done.events);
      return result;
    });
  } catch (error) {
    if (!(error instanceof AlreadyRecorded)) throw error;
  }
  const record = await operations.findOne({ _id: operationId }).catch((error: unknown) => Promise.reject(toMongoError(error)));
  // Another has written it, and it is not settled yet: no reason to refuse for good, which would undo the saga.
  if (!record) throw aborted('STORE_CONFLICT', 'the same operation is under way');
  if (record.state === 'undone') throw undoneError(command);
  countRepeat(command, 'repeat');
  return record.result as R;
}

/** Takes back what a command did, given what it kept for that. Must not fail because something is gone already. */
// biome-ignore lint/suspicious/noConfusingVoidType: an undo without events has nothing to return
export type Undo<U> = (session: ClientSession, undo: U) => Promise<Undone | void>;

/**
 * Undoes an operation, whatever became of it, in one transaction: done → its command's undo runs; never happened →
 * nothing to undo; undone → nothing. In each case a tombstone stays, so that a late arrival of the operation is refused.
 *
 * @param undos the undo of every command that has one
 * @throws FAILED_PRECONDITION, and nothing was done: `UNDO_EXPIRED` when what the undo needs is no longer kept,
 *   `UNDO_IMPOSSIBLE` when the command has none
 */
export async function undoOperation(
  mongo: Mongo,
  operationId: string,
  // biome-ignore lint/suspicious/noExplicitAny: each command knows what it kept
  undos: Record<string, Undo<any>>,
): Promise<void> {
  checkOperationId(operationId);
  const tombstone = {
    $set: { state: 'undone' as const, at: new Date() },
    $setOnInsert: { command: '' },
    $unset: { result: '' as const, undo: '' as const },
  };
  await transaction(mongo, async (session) => {
    const before = await operationsOf(mongo).findOneAndUpdate({ _id: operationId }, tombstone, {
      session,
      upsert: true,
      returnDocument: 'before',
    });
    if (!before) return countRepeat('', 'tombstone');
    if (before.state === 'undone') return;
    if (before.state === 'final') throw undoExpiredError(before.command);
    const undo = undos[before.command];
    if (!undo) throw noUndoError(before.command);
    const undone = await undo(session, before.undo);
    await addEvents(mongo, session, undone?.events);
  });
}

/** Forgets what undos need when its time is over. (A TTL index forgets the records, but it could not forget a part of one.) */
export async function pruneOperations(mongo: Pick<Mongo, 'db'>): Promise<void> {
  const before = new Date(Date.now() - UNDO_KEPT_SECONDS * 1_000);
  await operationsOf(mongo).updateMany(
    { state: 'done', at: { $lt: before } },
    { $set: { state: 'final' }, $unset: { undo: '' } },
  );
}

/** Writes events outside of an operation, in the transaction that writes the state they tell of. */
export async function addEvents(mongo: Mongo, session: ClientSession, events: OutboxEvent[] = []): Promise<void> {
  if (events.length === 0) return;
  const documents = events.map((event): OutboxDocument => {
    const { id, aggregateType, aggregateId, type, version, traceparent, time } = toRecord(event);
    return {
      _id: id,
      aggregatetype: aggregateType,
      aggregateid: aggregateId,
      type,
      payload: payloadText(event),
      version,
      traceparent,
      createdAt: time,
    };
  });
  await mongo.db.collection<OutboxDocument>('outbox').insertMany(documents, { session, ordered: true });
}

/**
 * Runs `work` in one transaction (snapshot reads, majority writes), again after a conflict, for at most 4 s in all.
 * For changes that are no step of a saga: logins, rotations. Errors: UNAVAILABLE, ABORTED, what `work` throws.
 */
export async function transaction<T>(mongo: Mongo, work: (session: ClientSession) => Promise<T>): Promise<T> {
  const attributes = { 'db.system.name': 'mongodb', 'db.namespace': mongo.db.databaseName };
  return withSpan('mongodb transaction', { kind: SpanKind.CLIENT, attributes }, async () => {
    try {
      return await mongo.client.withSession((session) =>
        session.withTransaction(() => work(session), {
          readConcern: { level: 'snapshot' },
          writeConcern: { w: 'majority' },
          timeoutMS: TRANSACTION_TIMEOUT_MS,
        }),
      );
    } catch (error) {
      throw toMongoError(error);
    }
  });
}

/** Thrown to leave the transaction, which the server has aborted when the insert failed: there is nothing to commit. */
class AlreadyRecorded extends Error {}

async function insertNew(
  operations: Collection<OperationDocument>,
  record: OperationDocument,
  session: ClientSession,
): Promise<void> {
  try {
    await operations.insertOne(record, { session });
  } catch (error) {
    throw isDuplicateKey(error) ? new AlreadyRecorded() : error;
  }
}
