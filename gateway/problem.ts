import { status } from '@grpc/grpc-js';
import { z } from 'zod';
import { MusubiError } from '#platform/errors.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';

/** The one map from the system's error model to HTTP. Codes of ours that HTTP knows better follow below. */
const HTTP_STATUS: Record<status, number> = {
  [status.OK]: 200,
  [status.CANCELLED]: 499,
  [status.UNKNOWN]: 500,
  [status.INVALID_ARGUMENT]: 400,
  [status.DEADLINE_EXCEEDED]: 504,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.PERMISSION_DENIED]: 403,
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.FAILED_PRECONDITION]: 409,
  [status.ABORTED]: 409,
  [status.OUT_OF_RANGE]: 400,
  [status.UNIMPLEMENTED]: 501,
  [status.INTERNAL]: 500,
  [status.UNAVAILABLE]: 503,
  [status.DATA_LOSS]: 500,
  [status.UNAUTHENTICATED]: 401,
};

/** Codes for which HTTP has a status of its own. */
const HTTP_STATUS_OF_CODE = new Map([
  ['VERSION_MISMATCH', 412],
  ['IDEMPOTENCY_KEY_REUSED', 422],
  ['METHOD_NOT_ALLOWED', 405],
  ['BODY_TOO_LARGE', 413],
  ['UNSUPPORTED_MEDIA_TYPE', 415],
  ['REQUEST_TIMEOUT', 408],
  ['HEADERS_TOO_LARGE', 431],
]);

/** The HTTP status that an error is answered with. */
export function httpStatus(error: MusubiError): number {
  return HTTP_STATUS_OF_CODE.get(error.code) ?? HTTP_STATUS[error.grpcStatus] ?? 500;
}

/**
 * What a client that waited for its job is told when the job failed: as a synchronous API would have answered.
 * `instance` of the problem names the job.
 */
export class JobFailedError extends MusubiError {
  readonly jobId: string;

  constructor(jobId: string, failure: JobError) {
    // Jobs of earlier releases have no status: then all that is known is that the command was not done.
    const kind = grpcStatusNamed(failure.grpcStatus ?? '') ?? status.FAILED_PRECONDITION;
    super(kind, failure.code, failure.message, { fields: failure.errors });
    this.jobId = jobId;
  }
}

function grpcStatusNamed(name: string): status | undefined {
  const value: unknown = Object.hasOwn(status, name) ? status[name as keyof typeof status] : undefined;
  return typeof value === 'number' && value !== status.OK ? value : undefined;
}

/** An RFC 9457 problem. */
export const problemSchema = z
  .strictObject({
    type: z.string().meta({ description: 'Names the kind of problem; one per code' }),
    title: z.string().meta({ description: 'The kind of problem in words; the same for every problem of a code' }),
    status: z.int(),
    detail: z.string().meta({ description: 'What happened this time' }),
    instance: z.string().optional().meta({ description: 'The job that failed, when the answer is that of a job' }),
    code: z.string().meta({ description: 'A stable upper-case word that programs may rely on', example: 'LOGIN_TAKEN' }),
    errors: z
      .array(z.strictObject({ field: z.string(), message: z.string() }))
      .meta({ description: 'The fields that are wrong; empty when the problem is not about fields' }),
    traceId: z.string().meta({ description: 'Leads to the logs and the trace of this request' }),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' });
export type Problem = z.output<typeof problemSchema>;

/** The document that tells a client of an error. Nothing of the inside (addresses, causes, stacks) is in it. */
export function problemOf(error: MusubiError, traceId: string): Problem {
  const httpCode = httpStatus(error);
  return {
    type: `urn:musubi:problem:${error.code}`,
    title: titleOf(error.code),
    status: httpCode,
    detail: detailOf(error, httpCode),
    ...(error instanceof JobFailedError ? { instance: `/v1/jobs/${error.jobId}` } : {}),
    code: error.code,
    errors: error.fields.map(({ field, message }) => ({ field, message })),
    traceId,
  };
}

/** LOGIN_TAKEN → "Login taken" */
function titleOf(code: string): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Statuses made by gRPC itself tell of addresses and sockets, which are no business of a client. */
function detailOf(error: MusubiError, httpCode: number): string {
  const madeByGrpc = error.code === status[error.grpcStatus];
  if (!madeByGrpc || httpCode < 500) return error.message;
  switch (error.grpcStatus) {
    case status.UNAVAILABLE:
      return 'A service that is needed for this is away; try again shortly.';
    case status.DEADLINE_EXCEEDED:
      return 'A service that is needed for this did not answer in time; try again shortly.';
    default:
      return 'This failed on a defect of ours; the trace ID leads to its log.';
  }
}
