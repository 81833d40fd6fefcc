import { status } from '@grpc/grpc-js';
import { type MusubiError, notFound, unauthenticated } from '#platform/errors.ts';
import type { Peer } from '#platform/grpc/client.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { CLOSE, type CloseCode } from './domain.ts';

/** The services that are asked who a client is and what it may see. */
export interface Peers {
  auth: Pick<Peer<AuthServiceService>, 'authenticate' | 'authorize'>;
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

/** How a socket is closed whose token was not accepted. */
export function closeCodeOf(error: MusubiError): CloseCode {
  if (error.code === 'SESSION_REVOKED') return CLOSE.revoked;
  if (error.grpcStatus === status.UNAUTHENTICATED) return CLOSE.unauthenticated;
  return error.retryable ? CLOSE.tryAgainLater : CLOSE.defect;
}

/** Why, as the reason of a close frame, which may have 123 bytes (RFC 6455, section 5.5). */
export function closeReasonOf({ told: { code, message } }: MusubiError): string {
  // Half a character at the end becomes one of three bytes.
  return Buffer.from(`${code}: ${message}`).subarray(0, 120).toString();
}

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
  const action: Action = 'job.read';
  try {
    await peers.auth.authorize({ accessToken: token, action, resource: { type: 'Job', id: jobId, ownerId: owner } });
  } catch (error) {
    if ((error as MusubiError).grpcStatus !== status.PERMISSION_DENIED) throw error;
    throw notFound('JOB_NOT_FOUND', 'there is no such job; finished jobs are kept for a limited time', { cause: error });
  }
  return owner;
}
