import type { Origin } from '#proto/musubi/auth/v1/auth.ts';
import type { Auth } from '../auth.ts';
import { endSession } from './end-session.ts';

/**
 * Ends the session of an access token: neither it nor its refresh token is accepted any more, and its sockets are closed.
 * A session that has ended already is ended.
 *
 * @throws TOKEN_INVALID, TOKEN_EXPIRED, SOCKETS_OPEN
 */
export async function logOut(auth: Auth, accessToken: string, origin?: Origin): Promise<void> {
  const { memberId, sessionId } = await auth.accessTokens.verify(accessToken);
  const from = await auth.audit.seal(memberId, origin);
  await endSession(auth, { memberId, sessionId }, { action: 'auth.logout', actorId: memberId, sessionId, from });
}
