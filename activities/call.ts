import { status } from '@grpc/grpc-js';
import { activityInfo, type Info } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { MusubiError } from '#platform/errors.ts';
import type { CallOptions, Peer } from '#platform/grpc/client.ts';
import type { JobError, JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { ALARM_AFTER_MS, CONFLICT, jobOf, REPORT_AFTER_MS } from '../temporal.config.ts';

/** What a saga tells the activity about the step it is. */
export interface StepCall {
  /** The key by which the service knows a repeat, and undoes: `jobId/service.step`, of a list with `/item`. */
  operationId: string;
  /** What allowed the saga to begin, for its pivot; its command, where the system itself began it. Absent: another step. */
  permit?: string;
  /** Nothing may fail this step: a refusal too is tried again, for a fix may come. */
  mustSucceed?: boolean;
  /** Attempts that were made before, by another activity: of a local one that was given up. */
  triedBefore?: number;
  /** What to report on the job if the step takes its time; absent: nothing. */
  progress?: { done: number; total: number; step: string };
  /** The step undoes: because of an error, or (null) because the job was cancelled. */
  compensating?: JobError | null;
}

/** What a failed step tells the saga (the ApplicationFailure's first detail). */
export interface StepFailure {
  code: string;
  message: string;
  fields: { field: string; message: string; code?: string }[];
  /** The name of the gRPC status: 'ABORTED'. */
  grpcStatus: string;
}

/** What a saga gives a step: the request without what follows from the run, the operation's ID and the permit. */
export type Given<Request> = Omit<Request, 'operationId' | 'permit'>;

/** Makes one idempotent gRPC call as a step. */
export type Call = <R>(step: StepCall, rpc: (options: Required<Pick<CallOptions, 'timeoutMs'>>) => Promise<R>) => Promise<R>;

/** Statuses that say no to the request itself. All others say that a try may succeed later. */
const REFUSALS: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
]);

/** The call's deadline comes this long before the attempt's, so that the answer is the service's and not a timeout, ms. */
const MARGIN_MS = 250;

/**
 * The way every activity calls its service: with the attempt's deadline, with errors as Temporal
 * takes them, and with the job's progress.
 *
 * Progress is reported from here, not by the workflow: only here is it known that an attempt drags on,
 * and a workflow that reported each step would double the number of steps. A quick saga reports nothing.
 */
export function createCall(job: Pick<Peer<typeof JobServiceService>, 'reportProgress'>): Call {
  return async (step, rpc) => {
    const info = activityInfo();
    const { startToCloseTimeoutMs, workflowExecution } = info;
    const attempt = info.attempt + (step.triedBefore ?? 0);
    let reported: Promise<unknown> | undefined;
    const report = (): void => {
      if (!step.progress || !workflowExecution) return;
      // Both by Temporal's clock: this host's may be another.
      const overdue = info.currentAttemptScheduledTimestampMs - info.scheduledTimestampMs > ALARM_AFTER_MS;
      const words = overdue ? `${step.progress.step}, overdue, an operator is needed` : step.progress.step;
      reported = job
        .reportProgress(
          {
            jobId: jobOf(workflowExecution.workflowId),
            state: step.compensating === undefined ? 'JOB_STATE_RUNNING' : 'JOB_STATE_COMPENSATING',
            progress: { ...step.progress, step: words, ...(attempt > 1 ? { attempt } : {}) },
            error: step.compensating ?? undefined,
          },
          { timeoutMs: 1_000 },
        )
        // The next attempt or the job's end says more than this would have.
        .catch(() => undefined);
    };
    if (attempt > 1) report();
    const late = attempt > 1 ? undefined : setTimeout(report, REPORT_AFTER_MS);
    try {
      return await rpc({ timeoutMs: Math.max(MARGIN_MS, startToCloseTimeoutMs - MARGIN_MS) });
    } catch (error) {
      throw asFailure(error, step.mustSucceed ?? false, info);
    } finally {
      clearTimeout(late);
      // In order: no report of this step may reach Job after one of the next.
      await reported;
    }
  };
}

/**
 * An error as Temporal takes it: `type` is the code, refusals are not retried. A conflict is not retried inside a
 * workflow task: its saga waits for the others by timers, and holds nothing that theirs need.
 */
function asFailure(error: unknown, mustSucceed: boolean, { isLocal, attempt }: Pick<Info, 'isLocal' | 'attempt'>): unknown {
  if (!(error instanceof MusubiError)) return error;
  const refused = REFUSALS.has(error.grpcStatus) && !mustSucceed;
  const conflict = error.grpcStatus === status.ABORTED;
  const detail: StepFailure = {
    code: error.code,
    message: error.message,
    fields: error.fields.map(({ field, message, code = 'INVALID' }) => ({ field, message, code })),
    grpcStatus: status[error.grpcStatus] ?? 'UNKNOWN',
  };
  const failure = ApplicationFailure.create({
    type: error.code,
    message: error.message,
    nonRetryable: refused || (conflict && isLocal),
    nextRetryDelay: conflict ? conflictDelayMs(attempt) : undefined,
    details: [detail],
    // A refusal is an answer, and a conflict is waited for: neither is an incident that belongs into the log as a warning.
    category: refused || conflict ? ApplicationFailureCategory.BENIGN : undefined,
  });
  // It would only say that a call was made here, and in every history where this process has its files.
  failure.stack = '';
  return failure;
}

function conflictDelayMs(attempt: number): number {
  const longest = Math.min(CONFLICT.mostMs, CONFLICT.firstMs * 2 ** (attempt - 1));
  return Math.ceil(longest * (0.5 + Math.random() / 2));
}
