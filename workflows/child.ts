import {
  ApplicationFailure,
  ChildWorkflowFailure,
  type ChildWorkflowOptions,
  executeChild,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { jobOf, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { type Failure, StepFailed } from './failure.ts';
import type { Around } from './progress.ts';
import type { Refused } from './saga.ts';
import { timer } from './timer.ts';
import type { Written } from './written.ts';

/** What a saga that runs another one gives it besides its input. */
export interface Within {
  around: Around;
}

/** How a saga ends that another one runs: the other one waits for what it has written, and undoes it where it must. */
export interface ChildEnd {
  result: object;
  written: Written;
  /** How many steps it had. */
  size: number;
}

/** The end of one that was refused, everything being undone. One that failed throws its failure. */
export interface ChildRefused {
  refusedBy: Failure;
}

/** What a workflow of a saga returns: its result, or that it was refused; to a saga that runs it, more. */
export type End = object | Refused | ChildEnd | ChildRefused;

/**
 * Runs a saga as a child workflow.
 *
 * - It works for the same job, on the same queue, and is found by the same search attributes.
 * - A request to cancel reaches it. Its parent waits until it has undone itself.
 * - If somebody closes it from outside, its parent begins it again: steps that are done answer as they did.
 * - If somebody closes its parent, it is closed too, and a repair begins it again (`worker/unfinished-jobs.ts`).
 *
 * @param path what tells it from others of its parent: `group.addMember/KEY`
 * @throws StepFailed when it was refused, or failed, and has undone itself; CancelledFailure
 */
export async function runChild(command: string, path: string, input: unknown, handedOn: object): Promise<ChildEnd> {
  const { workflowId } = workflowInfo();
  const jobId = jobOf(workflowId);
  for (;;) {
    try {
      const end = (await executeChild(command, {
        workflowId: `${workflowId}/${path}`,
        args: [input, handedOn],
        parentClosePolicy: 'TERMINATE',
        cancellationType: 'WAIT_CANCELLATION_COMPLETED',
        typedSearchAttributes: attributesOfJob(),
        staticSummary: `${path}, of job ${jobId}`,
      })) as ChildEnd | ChildRefused;
      if ('refusedBy' in end) throw new StepFailed(end.refusedBy);
      return end;
    } catch (error) {
      const failure = failureOf(error);
      if (failure) throw new StepFailed(failure);
      if (!wasClosed(error)) throw error;
      await timer('beginAgain');
    }
  }
}

/** What the job is found by. Only the job's own workflow says how it ended. */
function attributesOfJob(): ChildWorkflowOptions['typedSearchAttributes'] {
  const { typedSearchAttributes: attributes } = workflowInfo();
  return [SEARCH_ATTRIBUTES.command, SEARCH_ATTRIBUTES.member, SEARCH_ATTRIBUTES.aggregate].flatMap((key) => {
    const value = attributes.get(key);
    return value === undefined ? [] : [{ key, value }];
  });
}

/** What a child failed with. */
function failureOf(error: unknown): Failure | undefined {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? (cause.details?.[0] as Failure | undefined) : undefined;
}

/** Whether it was closed from outside, or one that is being closed still has its place. */
function wasClosed(error: unknown): boolean {
  if (error instanceof TemporalFailure && error.name === 'WorkflowExecutionAlreadyStartedError') return true;
  if (!(error instanceof ChildWorkflowFailure)) return false;
  return error.cause instanceof TerminatedFailure || error.cause instanceof TimeoutFailure;
}
