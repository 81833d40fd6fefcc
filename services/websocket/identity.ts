import { status } from '@grpc/grpc-js';
import { type MusubiError, notFound, unauthenticated } from '#platform/errors.ts';
import type { Peer } from '#platform/grpc/client.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { type Closing, closing } from './domain.ts';
import { frameActions } from './frames.ts';

/** The services that are asked who a client is and what it may see. */
export interface Peers {
  auth: Pick<Peer<AuthServiceService>, 'authenticate' | 'authorize' | 'check'>;
  job: Pick<Peer<JobServiceService>, 'getJob'>;
}

/** Who is at the other end of a socket. */
export interface Identity {
  memberId: string;
  token: string;
  /** When the token expires, in milliseconds of `performance.now()`: no other host's clock is compared with this one's. */
  expiresAt: number;
}

/** Milliseconds until the token expires. */
export const leftOf = ({ expiresAt }: Identity): number => Math.max(0, Math.ceil(expiresAt - performance.now()));

/** @throws as `auth.Authenticate` */
export async function identify(peers: Peers, token: string): Promise<Identity> {
  const asked = performance.now();
  const { memberId, expiresIn } = await peers.auth.authenticate({ accessToken: token });
  if (!memberId) throw unauthenticated('TOKEN_INVALID', 'the token names no member');
  return { memberId, token, expiresAt: asked + expiresIn * 1_000 };
}

/** How a socket is closed whose token was not accepted, or for which something is away. */
export function closingFor({ code, grpcStatus, retryable, told }: MusubiError): Closing {
  if (code === 'SESSION_REVOKED') return closing('revoked', told.code, told.message);
  if (grpcStatus === status.UNAUTHENTICATED) return closing('unauthenticated', told.code, told.message);
  return closing(retryable ? 'tryAgainLater' : 'defect', told.code, told.message);
}

/** What it takes to read a job of another member. */
const READ_JOB = frameActions.subscribe;
const jobResource = (id: string, ownerId: string) => ({ type: 'Job', id, ownerId });

/**
 * Refuses a job that the client may not read, in the same words as one that does not exist.
 *
 * @param ownerId when it is known
 * @returns the job's owner
 * @throws NOT_FOUND `JOB_NOT_FOUND`, or an error that says that a service is away
 */
export async function mayReadJob(peers: Peers, { memberId, token }: Identity, jobId: string, ownerId?: string): Promise<string> {
  const owner = ownerId ?? (await peers.job.getJob({ jobId })).job?.memberId ?? '';
  if (owner === memberId) return owner;
  try {
    await peers.auth.authorize({ accessToken: token, action: READ_JOB, resource: jobResource(jobId, owner) });
  } catch (error) {
    if ((error as MusubiError).grpcStatus !== status.PERMISSION_DENIED) throw error;
    throw jobNotFound(error);
  }
  return owner;
}

export const jobNotFound = (cause?: unknown): MusubiError =>
  notFound('JOB_NOT_FOUND', 'there is no such job; finished jobs are kept for a limited time', { cause });

/** Jobs of other members, by their topics, with their owners. */
export type OthersJobs = ReadonlyMap<string, { jobId: string; ownerId: string }>;

/**
 * Asks Auth about all of these jobs at once.
 *
 * @returns the topics of those that the client may not read
 * @throws as `auth.Authenticate`
 */
export async function unreadable(peers: Peers, { token }: Identity, jobs: OthersJobs): Promise<string[]> {
  if (jobs.size === 0) return [];
  const checks = [...jobs.values()].map(({ jobId, ownerId }) => ({ action: READ_JOB, resource: jobResource(jobId, ownerId) }));
  const { allowed } = await peers.auth.check({ accessToken: token, checks });
  return [...jobs.keys()].filter((_, index) => allowed[index] !== true);
}
