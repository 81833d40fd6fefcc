import { type ServiceDefinition, status } from '@grpc/grpc-js';
import type { ClientSession, Collection } from 'mongodb';
import type { GetOperationResponse, ListOperationsRequest } from '#proto/musubi/operation/v1/operation.ts';
import { countedBy, type Erased } from '../erasure.ts';
import { aborted, MusubiError } from '../errors.ts';
import { type OperationDocument, type OutboxDocument, operationsOf, outboxOf } from '../mongo/collections.ts';
import type { Mongo } from '../mongo/database.ts';
import { isDuplicateKey, toMongoError } from '../mongo/errors.ts';
import { type OutboxEvent, payloadText, requireUnordered, toRecord } from '../outbox/event.ts';
import { SpanKind, withSpan } from '../process/telemetry.ts';
import {
  asJson,
  becomeOf,
  checkOperationId,
  countRepeat,
  listOperations,
  noUndoError,
  undoExpiredError,
  undoneError,
} from './operation.ts';
import { handlersOf } from './serving.ts';
import type { AnyStep, Step as AnyStoresStep, StepHandlers, Steps } from './step.ts';

export type { OutboxEvent } from '../outbox/event.ts';

/** What a step on MongoDB works with: every call in it must be given the session. */
export interface MongoTransaction<Store> {
  store: Store;
  session: ClientSession;
}

/** A step of a service that keeps its state in MongoDB. @template Store the service's collections */
export type Step<Store, Request, Response, Kept = null> = AnyStoresStep<MongoTransaction<Store>, Request, Response, Kept>;

/** A transaction is begun again for so long, and each commit may take so long; in all less than the 4.75 s that workers give a step. */
const BEGIN_MS = 2_000;
const COMMIT_MS = 2_000;

/** Serves the steps of a contract, their undo, and what became of them. */
export function serveSteps<Contract extends ServiceDefinition, Store extends { mongo: Mongo }>(
  store: Store,
  steps: Steps<Contract, MongoTransaction<Store>>,
): StepHandlers<Contract> {
  const table = steps as Record<string, AnyStep<MongoTransaction<Store>>>;
  return handlersOf<Contract>(Object.keys(table), {
    run: (name, request) => runStep(store, name, table[name] as AnyStep<MongoTransaction<Store>>, request),
    undo: (operationId) => undoOperation(store, operationId, table),
    get: (operationId) => getOperation(store, operationId),
    list: (request) => operationsWithin(store, request),
  });
}

/**
 * Does one step of a saga exactly once: the operation's record, the state that the step writes and the events
 * are one transaction. A repeat, even a concurrent one, answers what the first time answered, and changes nothing.
 *
 * @param name by which the undo is found
 * @throws INVALID_ARGUMENT without an operation ID; FAILED_PRECONDITION `OPERATION_UNDONE` after its undo;
 *   UNAVAILABLE when the server is away; ABORTED when somebody changes the same; what the step throws: then nothing was written
 */
export async function runStep<Store extends { mongo: Mongo }, Request extends { operationId: string }, Response>(
  store: Store,
  name: string,
  step: Pick<Step<Store, Request, Response, unknown>, 'do'>,
  request: Request,
): Promise<Response> {
  const { operationId } = request;
  checkOperationId(operationId);
  const { mongo } = store;
  const operations = operationsOf(mongo.db);
  try {
    return await transaction(mongo, async (session) => {
      const done = await step.do({ store, session }, request);
      const result = asJson(done.result);
      const record = { step: name, state: 'done' as const, result, undo: asJson(done.kept), undoOf: done.keptOf };
      // One write, which a repeat collides with, also a concurrent one: then nothing of what it did is kept.
      await insertNew(operations, operationId, record, session);
      await addEvents(mongo, session, done.events);
      return result;
    });
  } catch (error) {
    if (isAway(error)) throw error;
    const first = await firstTry(operations, operationId, error);
    if (first === undefined) throw error;
    if (first.state === 'undone') throw undoneError(name);
    countRepeat(name, 'repeat');
    return first.result as Response;
  }
}

/**
 * The record of the first try, for a repeat that failed: it may have met what the first one did.
 *
 * @param failure what the repeat failed with
 * @returns undefined: there was none, so it is the request itself that fails
 * @throws STORE_CONFLICT, retryable, while the first try is not settled: to refuse for good would undo the saga
 */
async function firstTry(
  operations: Collection<OperationDocument>,
  operationId: string,
  failure: unknown,
): Promise<OperationDocument | undefined> {
  try {
    // A transaction sees what is committed here, and other reads only what the majority has.
    const here = await operations.findOne({ _id: operationId }, { readConcern: { level: 'local' } });
    if (!here && !(failure instanceof AlreadyRecorded)) return undefined;
    const settled = await operations.findOne({ _id: operationId });
    if (settled) return settled;
  } catch (error) {
    throw toMongoError(error);
  }
  throw aborted('STORE_CONFLICT', 'the same operation is under way');
}

/**
 * Undoes an operation in one transaction, by what became of it: done → its step's undo runs; never happened, or its member was
 * erased since → nothing to undo; undone → nothing. In each case a tombstone stays, so that a late arrival of the operation is refused.
 *
 * @throws FAILED_PRECONDITION, and nothing was done: `UNDO_EXPIRED` when what the undo needs is no longer kept,
 *   `UNDO_IMPOSSIBLE` when the step has none
 */
export async function undoOperation<Store extends { mongo: Mongo }>(
  store: Store,
  operationId: string,
  steps: Record<string, Pick<AnyStep<MongoTransaction<Store>>, 'undo'>>,
): Promise<void> {
  checkOperationId(operationId);
  const { mongo } = store;
  const tombstone = {
    $set: { state: 'undone' as const },
    $currentDate: { at: true as const },
    $setOnInsert: { step: '' },
    $unset: { result: '' as const, undo: '' as const, undoOf: '' as const },
  };
  await transaction(mongo, async (session) => {
    const before = await operationsOf(mongo.db).findOneAndUpdate({ _id: operationId }, tombstone, {
      session,
      upsert: true,
      returnDocument: 'before',
    });
    if (!before) return countRepeat('', 'tombstone');
    if (before.state === 'undone') return;
    if (before.state === 'final') throw undoExpiredError(before.step);
    const undo = steps[before.step]?.undo ?? 'impossible';
    if (undo === 'impossible') throw noUndoError(before.step);
    const undone = before.state === 'erased' ? undefined : await undo({ store, session }, before.undo);
    await addEvents(mongo, session, undone?.events);
  });
}

/** What became of an operation. One that is still running is not known yet. */
export async function getOperation(store: { mongo: Mongo }, operationId: string): Promise<GetOperationResponse> {
  checkOperationId(operationId);
  try {
    return becomeOf((await operationsOf(store.mongo.db).findOne({ _id: operationId })) ?? undefined);
  } catch (error) {
    throw toMongoError(error);
  }
}

/** What became of all operations of a job, or of a workflow that works for it. One that is still running is not listed yet. */
export const operationsWithin = ({ mongo }: { mongo: Mongo }, request: ListOperationsRequest) =>
  listOperations(request, async ({ above, below }, limit) => {
    try {
      const found = operationsOf(mongo.db).find({ _id: { $gt: above, $lt: below } }, { sort: { _id: 1 }, limit });
      return (await found.toArray()).map(({ _id: id, state, result }) => ({ id, state, result }));
    } catch (error) {
      throw toMongoError(error);
    }
  });

/** Forgets what undos would need of members who are gone for good. */
export async function eraseUndos(mongo: Mongo, session: ClientSession, memberIds: readonly string[]): Promise<Erased[]> {
  const operations = operationsOf(mongo.db);
  const undoOf = { $in: [...memberIds] };
  const found = await operations.find({ undoOf }, { session, projection: { undoOf: 1 } }).toArray();
  const ids = found.map(({ _id }) => _id);
  await operations.updateMany(
    { _id: { $in: ids } },
    { $set: { state: 'erased' }, $unset: { undo: '', undoOf: '' } },
    { session },
  );
  return countedBy(
    'operations',
    found.map(({ undoOf = '' }) => undoOf),
  );
}

/** Writes events outside of an operation, in the transaction that writes the state they tell of. */
export async function addEvents(mongo: Mongo, session: ClientSession, events: OutboxEvent[] = []): Promise<void> {
  if (events.length === 0) return;
  requireUnordered(events);
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
  await outboxOf(mongo.db).insertMany(documents, { session, ordered: true });
}

/**
 * Runs `work` in one transaction (snapshot reads, majority writes), again after a conflict, while 2 s have not passed; a
 * commit has 2 s. (The driver's own bound is 120 s, and its `timeoutMS` has no effect.)
 * For changes that are no step of a saga: logins, rotations. Errors: UNAVAILABLE, ABORTED, what `work` throws.
 */
export async function transaction<T>(mongo: Mongo, work: (session: ClientSession) => Promise<T>): Promise<T> {
  const attributes = { 'db.system.name': 'mongodb', 'db.namespace': mongo.db.databaseName };
  const until = performance.now() + BEGIN_MS;
  let begun = false;
  return withSpan('mongodb transaction', { kind: SpanKind.CLIENT, attributes }, async () => {
    try {
      return await mongo.client.withSession((session) =>
        session.withTransaction(
          () => {
            if (begun && performance.now() > until) throw aborted('STORE_CONFLICT', 'somebody else changes the same');
            begun = true;
            return work(session);
          },
          { readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' }, maxCommitTimeMS: COMMIT_MS },
        ),
      );
    } catch (error) {
      throw toMongoError(error);
    }
  });
}

const isAway = (error: unknown): boolean => error instanceof MusubiError && error.grpcStatus === status.UNAVAILABLE;

/** Thrown to leave the transaction, which the server has aborted when the insert failed: there is nothing to commit. */
class AlreadyRecorded extends Error {}

/** The record's time is the store's, as is what it is compared with one day. */
async function insertNew(
  operations: Collection<OperationDocument>,
  operationId: string,
  record: Omit<OperationDocument, '_id' | 'at'>,
  session: ClientSession,
): Promise<void> {
  try {
    // No record is without a state, so one that is there is not found, and is collided with.
    await operations.updateOne(
      { _id: operationId, state: { $exists: false } },
      { $setOnInsert: record, $currentDate: { at: true } },
      { session, upsert: true },
    );
  } catch (error) {
    throw isDuplicateKey(error) ? new AlreadyRecorded() : error;
  }
}
