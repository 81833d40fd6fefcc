import type { Context } from 'koa';
import { z } from 'zod';
import { failedPrecondition, internal, MusubiError } from '#platform/errors.ts';
import { idempotencyKey } from '#platform/validation/fields.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Gateway, RequestGateway } from '../gateway.ts';
import { isHidden } from '../http/authorize.ts';
import { preferredWait } from '../http/prefer.ts';
import { JobFailedError } from '../http/problem.ts';
import type { Principal } from '../http/route.ts';
import { EXAMPLE_ID } from '../id.ts';

/** The headers that every command understands. */
export const commandHeaders = {
  'Idempotency-Key': idempotencyKey.optional().meta({
    description:
      'Makes a repeat safe: the same key of the same member is the same job. With another request it is refused (IDEMPOTENCY_KEY_REUSED); a password is not compared.',
  }),
  Prefer: z.string().min(1).optional().meta({
    description:
      '`wait=N` (RFC 7240): up to N seconds, at most 30, are waited for the finished answer. While too many wait it is not applied, as `Preference-Applied` tells. Other preferences are ignored.',
    example: 'wait=5',
  }),
};

/** The header that clients may send with all that is no query. */
export const repeatableHeaders = {
  'Idempotency-Key': idempotencyKey.optional().meta({
    description: 'Not needed, as a repeat does no harm: only its form is checked, and a repeat is done again.',
  }),
};

/** The problems that every command may be answered with, at once or when it was waited for. */
export const commandProblems = [
  'IDEMPOTENCY_KEY_REUSED',
  'TOO_MANY_JOBS',
  'TEMPORAL_UNAVAILABLE',
  'PERMISSION_REVOKED',
  'NOT_STARTED',
  'JOB_LOST',
  'JOB_CANCELLED',
  'JOB_FAILED',
] as const;

const acceptedSchema = z.strictObject({ jobId: z.uuid() }).meta({
  id: 'Accepted',
  description: 'The command is being carried out: its job tells how far',
  examples: [{ jobId: EXAMPLE_ID }],
});

/** The response of every command that is not waited for, or not done in time. */
export const accepted = {
  description:
    'The command is accepted; `Location` is its job. Also where it is done, and what it has made is not yours to read (any more)',
  schema: acceptedSchema,
  headers: {
    Location: 'The job: /v1/jobs/{jobId}',
    'Preference-Applied': 'The wait that was applied, if one was asked for',
    'Retry-After': 'Seconds until it is worth asking for the job',
  },
} as const;

/** Seconds until it is worth asking for a job again: most are done sooner. */
export const RETRY_AFTER = '1';

/** A request that may wait for its job. */
interface Waiting {
  ctx: Context;
  principal: Principal;
  headers: { Prefer?: string };
}

type Accepted = { status: 202; body: { jobId: string }; headers: Record<string, string> };

/** What a command is issued with. */
export interface Issuing extends Pick<Gateway, 'commands' | 'abandoned'> {
  job: Pick<Gateway['job'], 'findJob' | 'issueJob'>;
}

/** A command as a route asks for it. */
export interface Command<C extends CommandName, Prepared, G = Gateway | RequestGateway> {
  command: C;
  /** What it changes. A repeat of a key is answered with the aggregate of the first request. */
  aggregateId: string;
  /** A hash of what is asked, without secrets. */
  fingerprint: string;
  /** As how many commands it counts among those that a member may send over time. Default: as one. */
  cost?: number | undefined;
  /** Done before a job is issued, so that its refusal leaves no job behind. A repeat whose saga has begun skips it. */
  prepare?: ((gateway: G) => Promise<Prepared>) | undefined;
  /** The workflow's input, for the aggregate that the job is of. It stays in the workflow's history: no secrets. */
  input(aggregateId: string, prepared: Prepared): CommandInput<C>;
  /** One line for operators. */
  summary: string;
}

/**
 * The one way that commands go: a job ID is issued, the saga is started under that ID, and the answer is 202,
 * or with `Prefer: wait` what `finished` makes of the completed job.
 *
 * @throws JobFailedError when the job that was waited for failed, or was cancelled
 */
export async function carryOut<C extends CommandName, Prepared, A>(
  request: Waiting & { headers: { 'Idempotency-Key'?: string } },
  gateway: RequestGateway,
  command: Command<C, Prepared>,
  finished: (job: Job) => Promise<A>,
): Promise<A | Accepted> {
  const { ctx, principal, headers } = request;
  const key = headers['Idempotency-Key'] ?? '';
  const job = await gateway.issuing.run(key && `${principal.memberId} ${command.fingerprint} ${key}`, () =>
    issueAndStart(gateway, principal, key, command),
  );
  ctx.state.jobId = job.jobId;
  return await answerFor(request, gateway, job, async (final) => {
    if (final.state === JobState.JOB_STATE_CANCELLED) {
      throw new JobFailedError(final.jobId, {
        code: 'JOB_CANCELLED',
        message: 'The command was cancelled and undone.',
        errors: [],
      });
    }
    if (final.state === JobState.JOB_STATE_FAILED) {
      throw new JobFailedError(final.jobId, final.error ?? { code: 'JOB_FAILED', message: 'The command failed.', errors: [] });
    }
    return await finished(final);
  });
}

/** Waits for a job as `Prefer` asks, and answers with what `finished` makes of its final state, or 202. */
export async function answerFor<A>(
  request: Waiting,
  gateway: RequestGateway,
  job: Job,
  finished: (job: Job) => Promise<A>,
): Promise<A | Accepted> {
  const location = `/v1/jobs/${job.jobId}`;
  const headers = { Location: location, 'Retry-After': RETRY_AFTER };
  const later: Accepted = { status: 202, body: { jobId: job.jobId }, headers };
  if (preferredWait(request.headers.Prefer ?? '') === 0) return later;
  const now = await awaited(request, gateway, job);
  if (!isFinal(now)) return later;
  try {
    return await finished(now);
  } catch (error) {
    if (error instanceof JobFailedError || !(error instanceof MusubiError)) throw error;
    // The command is done; only what it made could not be read. An error would say otherwise: the job tells.
    if (!isHidden(error)) gateway.log.warn({ err: error, jobId: job.jobId }, 'the result of a finished job could not be read');
    return later;
  }
}

/**
 * The job once it is final; as it is when the time that `Prefer` asks for is over, or nobody is there to wait any more.
 * While too many wait already the preference is not applied (RFC 7240): it is the job as it is now.
 */
export async function awaited({ ctx, principal, headers }: Waiting, gateway: RequestGateway, job: Job): Promise<Job> {
  const seconds = preferredWait(headers.Prefer ?? '');
  if (seconds === 0) return job;
  ctx.vary('Prefer');
  const ended = isFinal(job)
    ? Promise.resolve(job)
    : gateway.waits.begin(principal.memberId, job.jobId, seconds * 1_000, gateway.left);
  if (!ended) return job;
  ctx.set('Preference-Applied', `wait=${seconds}`);
  return (await ended) ?? job;
}

/** Whether nothing will change a job any more. */
export function isFinal({ state }: Job): boolean {
  return state === JobState.JOB_STATE_COMPLETED || state === JobState.JOB_STATE_FAILED || state === JobState.JOB_STATE_CANCELLED;
}

/**
 * Issues a command's job and starts its saga. With a key that was used before it is the job of then, started
 * if it never was: starting twice is starting once.
 *
 * What is prepared without a key ends when the request's client leaves; what follows does not, for a job without its saga
 * would stay queued.
 *
 * @throws unavailable when the saga can't be started: without a key before a job is issued, if it is known that
 * Temporal is away; with one the job stays queued, for the repeat. A job without a key is given up.
 */
export async function issueAndStart<C extends CommandName, Prepared, G extends Issuing>(
  gateway: G & { lasting?: G },
  { memberId, permit }: Pick<Principal, 'memberId' | 'permit'>,
  idempotencyKey: string,
  { command, aggregateId, fingerprint, cost, prepare, input, summary }: Command<C, Prepared, G>,
): Promise<Job> {
  const lasting = gateway.lasting ?? gateway;
  // Otherwise each request of an outage leaves a job. A request with a key passes: its saga may exist, and is then answered
  // without Temporal, and without anything being prepared for it. (Where nothing is, to issue a job finds the repeat as well.)
  if (idempotencyKey === '') gateway.commands.requireConnection();
  // What is shared by repeats does not end with one of their clients.
  else if (prepare) {
    const { job: known } = await lasting.job.findJob({ memberId, idempotencyKey, fingerprint });
    if (known && known.state !== JobState.JOB_STATE_QUEUED) return known;
  }
  const prepared = (await prepare?.(idempotencyKey === '' ? gateway : lasting)) as Prepared;
  const { job } = await lasting.job.issueJob({ command, memberId, aggregateId, idempotencyKey, fingerprint, cost });
  if (!job) throw internal('INTERNAL', 'Job issued no job');
  // Only a queued job may lack its saga; one that goes on, or is done, has it.
  if (job.state !== JobState.JOB_STATE_QUEUED) return job;
  if (job.command !== command) {
    throw failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'The key was used for another command.', {
      fields: [{ in: 'header', field: 'Idempotency-Key', code: 'TAKEN', message: 'was used for another command; use a new one' }],
    });
  }
  try {
    const { jobId, aggregateId: id } = job;
    const what = { command, memberId, aggregateId: id, input: input(id, prepared), permit, summary };
    await lasting.commands.startCommand({ jobId, ...what });
  } catch (error) {
    if (idempotencyKey === '') lasting.abandoned.add(job.jobId);
    throw error;
  }
  return job;
}
