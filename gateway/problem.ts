import { status } from '@grpc/grpc-js';
import { z } from 'zod';
import { FIELD_PLACES, type FieldPlace, MusubiError } from '#platform/errors.ts';
import { jobErrorView } from '#platform/job-view.ts';
import {
  CLIENT_CODES,
  clientCode,
  FIELD_CODES,
  type ProblemCode,
  problemKind,
  problemTitle,
  problemType,
} from '#platform/problems.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';

/** The one map from the system's error model to HTTP. Where HTTP has a status of its own for a code, the catalogue names it. */
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

/** The code that a client is told of an error. */
const codeOf = ({ code, grpcStatus }: MusubiError): ProblemCode => clientCode(code, status[grpcStatus] ?? '');

/** The HTTP status that an error is answered with: that of its code, always. */
export const httpStatus = (error: MusubiError): number => httpStatusOf(codeOf(error));

/** The HTTP status that a code is answered with. */
export function httpStatusOf(code: ProblemCode): number {
  const { http, status: name } = problemKind(code);
  return http ?? HTTP_STATUS[status[name]];
}

/**
 * What a client that waited for its job is told when the job failed: as a synchronous API would have answered.
 * `instance` of the problem names the job.
 */
export class JobFailedError extends MusubiError {
  readonly jobId: string;

  constructor(jobId: string, failure: JobError) {
    const { code, message, errors: fields } = jobErrorView(failure);
    super(status[problemKind(code).status], code, message, { fields });
    this.jobId = jobId;
  }
}

export const problemCodeSchema = z
  .enum(CLIENT_CODES)
  .meta({ id: 'ProblemCode', description: 'A stable word that programs may rely on; /problems lists what each means' });

const fieldProblemSchema = z.strictObject({
  in: z.enum(FIELD_PLACES).meta({ description: 'Where in the request it stands' }),
  field: z.string().meta({ description: 'Its name, in the body its path: `email`, `policies[0].name`; empty: all of the body' }),
  code: z.enum(FIELD_CODES).meta({ id: 'FieldCode', description: 'What kind of wrong' }),
  message: z.string().meta({ description: 'What it must be, in words' }),
});

/** An RFC 9457 problem. */
export const problemSchema = z
  .strictObject({
    type: z.string().meta({
      format: 'uri-reference',
      description: 'The kind of problem, one per code: GET it to read what it means and what to do',
      example: '/problems/LOGIN_TAKEN',
    }),
    title: z.string().meta({ description: 'The kind of problem in words; the same for every problem of a code' }),
    status: z.int(),
    detail: z.string().meta({ description: 'What happened this time' }),
    instance: z.string().optional().meta({ description: 'The job that failed, when the answer is that of a job' }),
    code: problemCodeSchema,
    errors: z
      .array(fieldProblemSchema)
      .meta({ description: 'The fields that are wrong; empty when the problem is not about fields' }),
    traceId: z.string().meta({ description: 'Leads to the logs and the trace of this request' }),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' });
export type Problem = z.output<typeof problemSchema>;

/**
 * The document that tells a client of an error. Nothing of the inside (addresses, causes, stacks) is in it.
 *
 * @param locate where the request has a field that a service names
 */
export function problemOf(error: MusubiError, traceId: string, locate: Locate = inBody): Problem {
  const code = codeOf(error);
  const hidden = error.forOperators || error.code === 'INTERNAL' || error.code !== code;
  return {
    type: problemType(code),
    title: problemTitle(code),
    status: httpStatusOf(code),
    detail: hidden ? problemKind(code).meaning : error.message,
    ...(error instanceof JobFailedError ? { instance: `/v1/jobs/${error.jobId}` } : {}),
    code,
    errors: error.fields.map(({ in: place, field, code = 'INVALID', message }) => ({
      ...(place ? { in: place, field } : locate(field)),
      code,
      message,
    })),
    traceId,
  };
}

type Locate = (field: string) => { in: FieldPlace; field: string };
const inBody: Locate = (field) => ({ in: 'body', field });
