import type { ServiceDefinition } from '@grpc/grpc-js';
import type { GetOperationResponse, ListOperationsRequest } from '#proto/musubi/operation/v1/operation.ts';
import { countedBy, type Erased } from '../erasure.ts';
import { type OutboxEvent, type OutboxRecord, payloadText, requireUnordered, toRecord } from '../outbox/event.ts';
import { type Database, type Query, sql, type Transaction } from '../postgres/database.ts';
import {
  asJson,
  becomeOf,
  checkOperationId,
  countRepeat,
  listOperations,
  noUndoError,
  type OperationRecord,
  type RecordState,
  undoExpiredError,
  undoneError,
} from './operation.ts';
import { handlersOf } from './serving.ts';
import type { AnyStep, Step as AnyStoresStep, Done, StepHandlers, Steps } from './step.ts';

export type { OutboxEvent } from '../outbox/event.ts';

/** A step of a service that keeps its state in PostgreSQL. */
export type Step<Request, Response, Kept = null> = AnyStoresStep<Transaction, Request, Response, Kept>;

interface OperationRow {
  step: string;
  state: RecordState;
  result: unknown;
  undo: unknown;
}

/** Serves the steps of a contract, their undo, and what became of them. */
export function serveSteps<Contract extends ServiceDefinition>(
  db: Database,
  steps: Steps<Contract, Transaction>,
): StepHandlers<Contract> {
  const table = steps as Record<string, AnyStep<Transaction>>;
  return handlersOf<Contract>(Object.keys(table), {
    run: (name, request) => runStep(db, name, table[name] as AnyStep<Transaction>, request),
    undo: (operationId) => undoOperation(db, operationId, table),
    get: (operationId) => getOperation(db, operationId),
    list: (request) => operationsWithin(db, request),
  });
}

/**
 * Does one step of a saga exactly once: the operation's record, the state that the step writes and the events
 * are one transaction. A repeat, even a concurrent one, answers what the first time answered without doing the step.
 *
 * @param name by which the undo is found
 * @throws INVALID_ARGUMENT without an operation ID; FAILED_PRECONDITION `OPERATION_UNDONE` after its undo;
 *   what the step throws: then nothing was written, and the same operation may be tried again
 */
export async function runStep<Request extends { operationId: string }, Response>(
  db: Database,
  name: string,
  step: Pick<Step<Request, Response, unknown>, 'do'>,
  request: Request,
): Promise<Response> {
  const { operationId } = request;
  checkOperationId(operationId);
  return db.transaction(async (tx) => {
    // The record comes first: a concurrent repeat waits here until this transaction ends, and then finds it.
    const mine = await tx.query(sql`insert into operations (id, step, state) values (${operationId}, ${name}, 'done')
      on conflict (id) do nothing returning id`);
    if (mine.length === 0) {
      const [row] = await tx.query<OperationRow>(sql`select step, state, result, undo from operations where id = ${operationId}`);
      if (!row || row.state === 'undone') throw undoneError(name);
      countRepeat(name, 'repeat');
      return row.result as Response;
    }
    const done: Done<Response, unknown> = await step.do(tx, request);
    const record = sql`update operations
      set result = ${json(done.result)}, undo = ${json(done.kept)}, undo_of = ${done.keptOf ?? null} where id = ${operationId}`;
    tx.defer(withEvents(record, done.events));
    return asJson(done.result);
  });
}

/**
 * Undoes an operation in one transaction, by what became of it: done → its step's undo runs; never happened, or its member was
 * erased since → nothing to undo; undone → nothing. In each case a tombstone stays, so that a late arrival of the operation is refused.
 * An operation that is still running is waited for.
 *
 * @throws FAILED_PRECONDITION, and nothing was done: `UNDO_EXPIRED` when what the undo needs is no longer kept,
 *   `UNDO_IMPOSSIBLE` when the step has none
 */
export async function undoOperation(
  db: Database,
  operationId: string,
  steps: Record<string, Pick<AnyStep<Transaction>, 'undo'>>,
): Promise<void> {
  checkOperationId(operationId);
  await db.transaction(async (tx) => {
    const tombstone = await tx.query(sql`insert into operations (id, step, state) values (${operationId}, '', 'undone')
      on conflict (id) do nothing returning id`);
    if (tombstone.length > 0) return countRepeat('', 'tombstone');
    const [row] = await tx.query<OperationRow>(
      sql`select step, state, result, undo from operations where id = ${operationId} for update`,
    );
    if (!row || row.state === 'undone') return;
    if (row.state === 'final') throw undoExpiredError(row.step);
    const undo = steps[row.step]?.undo ?? 'impossible';
    if (undo === 'impossible') throw noUndoError(row.step);
    const undone = row.state === 'erased' ? undefined : await undo(tx, row.undo);
    const record = sql`update operations
      set state = 'undone', result = null, undo = null, undo_of = null, at = now() where id = ${operationId}`;
    tx.defer(withEvents(record, undone?.events));
  });
}

/** What became of an operation. One that is still running is not known yet. */
export async function getOperation(db: Database, operationId: string): Promise<GetOperationResponse> {
  checkOperationId(operationId);
  const [row] = await db.query<OperationRow>(sql`select state, result from operations where id = ${operationId}`);
  return becomeOf(row);
}

/** What became of all operations of a job, or of a workflow that works for it. One that is still running is not listed yet. */
export const operationsWithin = (db: Database, request: ListOperationsRequest) =>
  listOperations(request, ({ above, below }, limit) =>
    db.query<OperationRecord>(sql`select id, state, result from operations
      where id > ${above} and id < ${below} order by id limit ${limit}`),
  );

/** Forgets what undos would need of members who are gone for good. */
export async function eraseUndos(tx: Transaction, memberIds: readonly string[]): Promise<Erased[]> {
  // Those of one process at a time, in one order: two runs at once must not wait for each other.
  const rows = await tx.query<{ memberId: string }>(sql`
    with mine as (select id, undo_of from operations where undo_of = any(${[...memberIds]}::text[]) order by id for update)
    update operations o set state = 'erased', undo = null, undo_of = null from mine where o.id = mine.id
    returning mine.undo_of as "memberId"`);
  return countedBy(
    'operations',
    rows.map(({ memberId }) => memberId),
  );
}

/** One statement for the record and the events: a round trip and a parse less. */
function withEvents(record: Query, events: OutboxEvent[] = []): Query {
  return events.length === 0 ? record : sql`with record as (${record}) ${insertEvents(events)}`;
}

/** Adds events of what the transaction has changed that is no step of a saga. */
export async function addEvents(tx: Transaction, events: OutboxEvent[]): Promise<void> {
  if (events.length > 0) await tx.query(insertEvents(events));
}

function insertEvents(events: OutboxEvent[]): Query {
  requireUnordered(events);
  const records = events.map(toRecord);
  const column = (name: keyof OutboxRecord): unknown[] => records.map((record) => record[name]);
  return sql`insert into outbox (id, aggregatetype, aggregateid, type, payload, version, traceparent)
    select * from unnest(${column('id')}::uuid[], ${column('aggregateType')}::text[], ${column('aggregateId')}::text[],
      ${column('type')}::text[], ${events.map(payloadText)}::jsonb[], ${column('version')}::bigint[], ${column('traceparent')}::text[])`;
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
