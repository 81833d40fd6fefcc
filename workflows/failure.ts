import { ApplicationFailure, isCancellation, type TemporalFailure } from '@temporalio/workflow';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { StepFailure } from '../activities/call.ts';
import { type AnyStep, inWords } from './step.ts';

/** Why a step failed: for the client on the job, and for operators. */
export interface Failure {
  /** The step, in words: `bind login`. */
  at: string;
  /** Whether the service said no to the request, as it should; if not, something of ours is wrong, or was away. */
  refused: boolean;
  error: JobError;
  /** With what the client need not know: which service, what it said last. */
  forOperators: string;
  /** How many operations are undone already: by a saga that this one ran. */
  undone?: number;
}

/** A part that failed for good. Not a TemporalFailure: if a saga should let it slip, the workflow task fails. */
export class StepFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.forOperators);
    this.failure = failure;
  }
}

export const howOf = ({ refused }: Failure): 'refused' | 'failed' => (refused ? 'refused' : 'failed');

/** What is shown of a part that did not come to its end. */
export function howItFailed(error: unknown): string {
  if (error instanceof StepFailed) return `${howOf(error.failure)}: ${error.failure.error.code}`;
  return isCancellation(error) ? 'cancelled' : 'failed';
}

/**
 * Reads the failure of a step. A refusal is handed on as the service said it, and so is a conflict
 * that lasted (ABORTED: MEMBER_BUSY). All other failures are of our servers, and say so.
 */
export function failureOf(step: AnyStep, failure: TemporalFailure): Failure {
  const last = lastAnswer(failure);
  const at = inWords(step);
  const where = `${step.service} service, "${at}"`;
  if (!last) {
    const error = away(`The ${step.service} service did not answer in time.`);
    return { at, refused: false, error, forOperators: `${where}: no answer in time.` };
  }
  const forOperators = `${where}: ${last.code}: ${last.message}`;
  if (OUR_DEFECTS.has(last.grpcStatus) || OUR_MISTAKES.has(last.code)) {
    const message = `The ${step.service} service failed.`;
    return { at, refused: false, error: { code: 'INTERNAL', message, errors: [], grpcStatus: 'INTERNAL' }, forOperators };
  }
  if (last.refused || last.grpcStatus === 'ABORTED') {
    const { code, message, fields: errors, grpcStatus } = last;
    return { at, refused: true, error: { code, message, errors, grpcStatus }, forOperators };
  }
  return { at, refused: false, error: away(`The ${step.service} service was not available.`), forOperators };
}

const away = (message: string): JobError => ({ code: 'SERVICE_UNAVAILABLE', message, errors: [], grpcStatus: 'UNAVAILABLE' });

/** 'DEFECT': the activity itself threw an error that is none of gRPC. */
const OUR_DEFECTS: ReadonlySet<string> = new Set(['INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED', 'DATA_LOSS', 'DEFECT']);

/** Refusals that no request of a client brings about: a saga that does its steps in order never gets them. */
const OUR_MISTAKES: ReadonlySet<string> = new Set(['LOCK_NOT_HELD', 'OPERATION_UNDONE']);

/** What the service said last; undefined if it never answered. A timeout keeps the failure of the attempt before as its cause. */
function lastAnswer(failure: TemporalFailure): (StepFailure & { refused: boolean }) | undefined {
  for (let cause: Error | undefined = failure; cause; cause = cause.cause as Error | undefined) {
    if (!(cause instanceof ApplicationFailure)) continue;
    const detail = cause.details?.[0] as StepFailure | undefined;
    const refused = cause.nonRetryable ?? false;
    if (detail) return { ...detail, refused };
    return { code: cause.type ?? 'DEFECT', message: cause.message, fields: [], grpcStatus: 'DEFECT', refused: false };
  }
  return undefined;
}
