import { ApplicationFailure, CancelledFailure } from '@temporalio/workflow';
import type { ChildRefused } from './child.ts';
import type { Details } from './details.ts';
import { cancelJob, failJob } from './job.ts';
import type { Refused } from './saga.ts';
import type { Undoing } from './undo.ts';

/** The run that was undone. */
interface UndoneRun {
  details: Details;
  /** How many steps its saga has. */
  total: number;
  engine: number;
  /** Whether another saga runs it, which ends the job. */
  isPart: boolean;
}

/**
 * Ends a run that was undone, and its job.
 *
 * @param undone how many operations are undone
 * @returns why, where it was refused; else it throws
 */
export async function endUndone(
  { why, how, last }: Undoing,
  undone: number,
  { details, total, engine, isPart }: UndoneRun,
): Promise<ChildRefused | Refused> {
  /** How far it had come. */
  const end = { done: last?.done ?? 0, total: last?.total ?? total, step: `${how}, all undone` };
  if (!why) {
    if (!isPart) await cancelJob(details, end);
    throw new CancelledFailure('cancelled');
  }
  const { at, refused, error, forOperators } = why;
  if (!isPart) await failJob(details, error, end);
  if (refused && isPart) return { refusedBy: { ...why, undone } };
  if (refused && engine >= 2) return { refused: { step: at, code: error.code, message: error.message } };
  const failure = ApplicationFailure.nonRetryable(forOperators, error.code, isPart ? { ...why, undone } : error);
  failure.stack = ''; // it says nothing about the step that failed
  throw failure;
}
