import { status } from '@grpc/grpc-js';
import { z } from 'zod';
import { FIELD_PLACES, MusubiError } from '#platform/errors.ts';
import { type Locate, problemDocument, retryAfterOf as retryAfterOfAny } from '#platform/http/problem.ts';
import { jobErrorView } from '#platform/job-view.ts';
import { CLIENT_CODES, FIELD_CODES, problemKind } from '#platform/problems.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';

export { httpStatus, httpStatusOf } from '#platform/http/problem.ts';

/**
 * The answer to a client that waited for its job when the job failed: as a synchronous API would have answered.
 * `instance` of the problem names the job. It is never worth sending the same request again: there is no `Retry-After`.
 */
export class JobFailedError extends MusubiError {
  readonly jobId: string;

  constructor(jobId: string, failure: JobError) {
    const { code, message, errors: fields } = jobErrorView(failure);
    super(status[problemKind(code).status], code, message, { fields });
    // The same request, with its key, would be answered by the same job for ever.
    if (this.retryable) this.message += ' The job has ended: send the command with a new Idempotency-Key.';
    this.jobId = jobId;
  }
}

/** `Retry-After` of a problem. */
export const retryAfterOf = (error: MusubiError): Record<string, string> =>
  error instanceof JobFailedError ? {} : retryAfterOfAny(error);

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
      examples: ['/problems/LOGIN_TAKEN'],
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
 * The document that tells a client of an error; that of a job names the job.
 *
 * @param locate where the request has a field that a service names; default: in the body
 */
export function problemOf(error: MusubiError, traceId: string, locate?: Locate): Problem {
  return {
    ...problemDocument(error, traceId, locate),
    ...(error instanceof JobFailedError ? { instance: `/v1/jobs/${error.jobId}` } : {}),
  };
}
