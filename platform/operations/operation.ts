import { Counter } from '@prometheus-io/client';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import {
  type GetOperationResponse,
  type ListOperationsRequest,
  type ListOperationsResponse,
  OperationState,
} from '#proto/musubi/operation/v1/operation.ts';
import { failedPrecondition, invalidFields } from '../errors.ts';
import { metrics } from '../process/telemetry.ts';

const repeats = new Counter({
  name: 'musubi_operations_repeated_total',
  help: 'Operations that were answered from their record, by step and kind (repeat, refused after undo, undo of nothing, undo too late)',
  labelNames: ['step', 'kind'],
  registers: [metrics],
});

export type Repeat = 'repeat' | 'refused' | 'tombstone' | 'expired';
export function countRepeat(step: string, kind: Repeat): void {
  repeats.inc({ step, kind });
}

const LONGEST_ID = 200;

/** @throws INVALID_ARGUMENT when the operation ID is missing, is too long, or has control characters */
export function checkOperationId(operationId: string): void {
  const isLong = operationId.length > LONGEST_ID;
  if (operationId !== '' && !isLong && !/\p{Cc}/u.test(operationId)) return;
  const wrong =
    operationId === ''
      ? ({ code: 'REQUIRED', message: 'is missing' } as const)
      : isLong
        ? ({ code: 'TOO_LONG', message: `must have at most ${LONGEST_ID} characters` } as const)
        : ({ code: 'WRONG_FORMAT', message: 'must have no control characters' } as const);
  throw invalidFields([{ field: 'operationId', ...wrong }]);
}

/** The refusal of a step that arrives after its undo. */
export function undoneError(step: string): Error {
  countRepeat(step, 'refused');
  return failedPrecondition('OPERATION_UNDONE');
}

/** The refusal of an undo that arrives when what it needs is no longer kept: it can't be done, and must not pass for done. */
export function undoExpiredError(step: string): Error {
  countRepeat(step, 'expired');
  return failedPrecondition('UNDO_EXPIRED');
}

/** The refusal to undo what has no undo: sagas do it after their pivot, where nothing is undone any more. */
export const noUndoError = (step: string): Error => failedPrecondition('UNDO_IMPOSSIBLE', `${step} can not be undone`);

/**
 * What is kept of an operation:
 * - `done`
 * - `final`: it is done, and what its undo would need is no longer kept
 * - `erased`: it is done, and its member has been erased since. What it changed is gone, so there is nothing to undo
 * - `undone`
 */
export type RecordState = 'done' | 'final' | 'erased' | 'undone';

/** What became of an operation, from its record; undefined: there is none. */
export function becomeOf(record: { state: RecordState; result?: unknown } | undefined): GetOperationResponse {
  const nothing = { written: undefined, alsoWritten: [] };
  if (!record) return { state: OperationState.OPERATION_STATE_UNKNOWN, ...nothing };
  if (record.state === 'undone') return { state: OperationState.OPERATION_STATE_UNDONE, ...nothing };
  const { written = [] } = (record.result ?? {}) as { written?: AggregateVersion | AggregateVersion[] };
  const [first, ...alsoWritten] = [written].flat();
  return { state: OperationState.OPERATION_STATE_DONE, written: first, alsoWritten };
}

/** What is kept of an operation, as a list of them needs it. */
export interface OperationRecord {
  id: string;
  state: RecordState;
  result?: unknown;
}

const LONGEST_PAGE = 1_000;

/** The IDs that are listed: between these two, without them. */
export interface Range {
  above: string;
  below: string;
}

/**
 * What became of the operations within a job, or within a workflow that works for it.
 *
 * @param read the records in a range of IDs, in the order of their bytes, so many at most
 * @throws INVALID_ARGUMENT
 */
export async function listOperations(
  { within, after, pageSize }: ListOperationsRequest,
  read: (range: Range, limit: number) => Promise<OperationRecord[]>,
): Promise<ListOperationsResponse> {
  if (within === '') throw invalidFields([{ field: 'within', code: 'REQUIRED', message: 'is missing' }]);
  if (pageSize < 1 || pageSize > LONGEST_PAGE)
    throw invalidFields([{ field: 'pageSize', message: `must be 1 to ${LONGEST_PAGE}` }]);
  // The character after "/" is "0".
  const range = { above: after || `${within}/`, below: `${within}0` };
  const records = await read(range, pageSize);
  return { operations: records.map((record) => ({ operationId: record.id, ...becomeOf(record) })) };
}

/** What a repeat will read, so that the first answer and the repeats are the same to the last type. */
export function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value ?? null)) as T;
}
