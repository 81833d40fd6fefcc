import { ApplicationFailure, type TemporalFailure } from '@temporalio/workflow';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { StepFailure } from '../activities/call.ts';
import { inWords, type Step } from './step.ts';

/** Why a step failed: for the client on the job, and for operators. */
export interface Failure {
  error: JobError;
  /** With what the client need not know: which service, what it said last. */
  forOperators: string;
}

/**
 * Reads the failure of a step. A refusal is handed on as the service said it, and so is a conflict
 * that lasted (ABORTED: MEMBER_BUSY). Whatever else ended the tries is about our servers, and is named so.
 */
export function failureOf(step: Step<never, unknown>, failure: TemporalFailure): Failure {
  const last = lastAnswer(failure);
  const where = `${step.service} service, "${inWords(step)}"`;
  if (!last) {
    return { error: away(`The ${step.service} service did not answer in time.`), forOperators: `${where}: no answer in time` };
  }
  const forOperators = `${where}: ${last.code}: ${last.message}`;
  if (last.refused || last.grpcStatus === 'ABORTED') {
    const { code, message, fields: errors, grpcStatus } = last;
    return { error: { code, message, errors, grpcStatus }, forOperators };
  }
  if (OUR_DEFECTS.has(last.grpcStatus)) {
    const message = `The ${step.service} service failed.`;
    return { error: { code: 'INTERNAL', message, errors: [], grpcStatus: 'INTERNAL' }, forOperators };
  }
  return { error: away(`The ${step.service} service was not available.`), forOperators };
}

const away = (message: string): JobError => ({ code: 'SERVICE_UNAVAILABLE', message, errors: [], grpcStatus: 'UNAVAILABLE' });

/** 'DEFECT': the activity itself threw something else than a gRPC error. */
const OUR_DEFECTS: ReadonlySet<string> = new Set(['INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED', 'DATA_LOSS', 'DEFECT']);

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
