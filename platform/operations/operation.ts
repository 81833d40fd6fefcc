import { Counter } from '@prometheus-io/client';
import { failedPrecondition, invalidFields } from '../errors.ts';
import type { OutboxEvent } from '../outbox/event.ts';
import { metrics } from '../telemetry.ts';

/** One step of a saga as a service sees it. */
export interface Operation {
  /** The same for every try of the step; unique among all steps of all sagas. At most 200 characters. */
  operationId: string;
  /** "member.create": names the undo. */
  command: string;
}

/** What a step did. */
export interface Done<R, U> {
  /** What the caller gets, now and on every repeat; JSON. Kept for {@link OPERATIONS_KEPT_SECONDS}: no personal data. */
  result: R;
  /** What the undo needs to know; JSON. Kept for {@link UNDO_KEPT_SECONDS}: unlike the result, it may hold personal data. */
  undo?: U;
  events?: OutboxEvent[];
}

/** What an undo did. */
export interface Undone {
  events?: OutboxEvent[];
}

const repeats = new Counter({
  name: 'musubi_operations_repeated_total',
  help: 'Operations that were answered from their record, by command and kind (repeat, refused after undo, undo of nothing, undo too late)',
  labelNames: ['command', 'kind'],
  registers: [metrics],
});

export type Repeat = 'repeat' | 'refused' | 'tombstone' | 'expired';
export function countRepeat(command: string, kind: Repeat): void {
  repeats.inc({ command, kind });
}

const LONGEST_ID = 200;

/** @throws INVALID_ARGUMENT when the operation ID is missing or too long */
export function checkOperationId(operationId: string): void {
  if (operationId !== '' && operationId.length <= LONGEST_ID) return;
  const wrong =
    operationId === ''
      ? ({ code: 'REQUIRED', message: 'is missing' } as const)
      : ({ code: 'TOO_LONG', message: `must have at most ${LONGEST_ID} characters` } as const);
  throw invalidFields([{ field: 'operationId', ...wrong }]);
}

/** The refusal of a step that arrives after its undo. */
export function undoneError(command: string): Error {
  countRepeat(command, 'refused');
  return failedPrecondition('OPERATION_UNDONE', 'this operation was undone; it can not be done any more');
}

/** The refusal of an undo that arrives when what it needs is no longer kept: it can't be done, and must not pass for done. */
export function undoExpiredError(command: string): Error {
  countRepeat(command, 'expired');
  return failedPrecondition('UNDO_EXPIRED', 'what the undo of this operation needs is no longer kept');
}

/** The refusal to undo what has no undo: sagas do it after their pivot, where nothing is undone any more. */
export const noUndoError = (command: string): Error => failedPrecondition('UNDO_IMPOSSIBLE', `${command} can not be undone`);

/** What a repeat will read, so that the first answer and the repeats are the same to the last type. */
export function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value ?? null)) as T;
}
