import { status } from '@grpc/grpc-js';
import { type MusubiError, unauthenticated } from '#platform/errors.ts';
import type { Peer } from '#platform/grpc/client.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { type Closing, closing } from './domain.ts';

/** The services that are asked who a client is and what it may see, and told what it types. */
export interface Peers {
  auth: Pick<Peer<AuthServiceService>, 'authenticate' | 'authorize' | 'check' | 'listGroupsBelow'>;
  job: Pick<Peer<JobServiceService>, 'getJob'>;
  chat: Pick<Peer<ChatServiceService>, 'listPlaces' | 'postMessage' | 'markRead'>;
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
