import { z } from 'zod';
import { type Job, type JobError, JobState } from '#proto/musubi/job/v1/job.ts';
import { sentence } from './errors.ts';
import { CLIENT_CODES, clientCode, FIELD_CODES, isFieldCode, problemKind } from './problems.ts';

/** A job as clients see it, by REST and on the socket: the one schema and the one mapping of both. */

const STATES = {
  queued: JobState.JOB_STATE_QUEUED,
  running: JobState.JOB_STATE_RUNNING,
  compensating: JobState.JOB_STATE_COMPENSATING,
  applied: JobState.JOB_STATE_APPLIED,
  completed: JobState.JOB_STATE_COMPLETED,
  failed: JobState.JOB_STATE_FAILED,
  cancelled: JobState.JOB_STATE_CANCELLED,
} as const;

/** A state as clients name it. */
export type JobStateName = keyof typeof STATES;

const NAMES = Object.keys(STATES) as [JobStateName, ...JobStateName[]];

/** The states that clients may ask for. */
export const jobStateView = z.enum(NAMES);

export const jobView = z.strictObject({
  id: z.string(),
  command: z.string().meta({ examples: ['member.register'] }),
  state: z.enum([...NAMES, 'unknown']).meta({
    description:
      'queued → running → (compensating →) applied → completed, failed or cancelled. `applied`: done, but queries may not show it yet; the last three are final. `unknown`: what a newer release says of it has no word here',
  }),
  progress: z
    .strictObject({
      done: z.int().nonnegative(),
      total: z.int().nonnegative(),
      step: z.string(),
      attempt: z.int().min(2).optional().meta({ description: 'Which try of the step this is; absent: the first' }),
    })
    .meta({
      description:
        'How many of its steps are done, or, while it is compensating, undone, and which one is at work. Of a job that has ended: how far it came, and in `step` how it ended',
      examples: [{ done: 5, total: 5, step: 'done' }],
    }),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z
    .strictObject({
      code: z.enum(CLIENT_CODES),
      message: z.string(),
      errors: z.array(z.strictObject({ field: z.string(), code: z.enum(FIELD_CODES), message: z.string() })).meta({
        description: 'The fields of the command that are wrong; as a job has no request, without saying where they stood',
      }),
    })
    .optional(),
  memberId: z.string().meta({ description: 'On whose behalf it runs' }),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().meta({ description: 'When the job is forgotten' }),
});
export type JobView = z.output<typeof jobView>;

/** The proto's state of that name. */
export const jobStateNamed = (name: JobStateName): JobState => STATES[name];

/** What clients call a state; undefined for none, or one that this release does not know. */
export function nameOfJobState(state: JobState): JobStateName | undefined {
  return NAMES.find((name) => STATES[name] === state);
}

/**
 * Why a job failed, as clients see it. Jobs of earlier releases have no status, fields without a code and messages that
 * are no sentences; one of a newer release may have a code that is not known here.
 */
export function jobErrorView({ code, message, errors, grpcStatus = 'FAILED_PRECONDITION' }: JobError) {
  const told = clientCode(code, grpcStatus);
  return {
    code: told,
    message: told === code ? sentence(message) : problemKind(told).meaning,
    errors: errors.map(({ field, code: kind = '', message: text }) => ({
      field,
      code: isFieldCode(kind) ? kind : 'INVALID',
      message: text,
    })),
  };
}

/** Of a state that this release does not know, that it is unknown. @throws when the message is not a whole job */
export function toJobView(job: Job): JobView {
  const { done, total, step, attempt = 1 } = job.progress ?? { done: 0, total: 0, step: '' };
  return jobView.parse({
    id: job.jobId,
    command: job.command,
    state: nameOfJobState(job.state) ?? 'unknown',
    progress: { done, total, step, ...(attempt > 1 ? { attempt } : {}) },
    ...(job.resultJson ? { result: JSON.parse(job.resultJson) } : {}),
    ...(job.error ? { error: jobErrorView(job.error) } : {}),
    memberId: job.memberId,
    createdAt: job.createdAt?.toISOString(),
    updatedAt: job.updatedAt?.toISOString(),
    expiresAt: job.expiresAt?.toISOString(),
  });
}
