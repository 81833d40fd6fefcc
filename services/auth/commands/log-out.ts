import type { Auth } from '../auth.ts';

/**
 * Ends the session of an access token: neither it nor its refresh token is accepted any more.
 * A session that has ended already is ended.
 *
 * @throws TOKEN_INVALID, TOKEN_EXPIRED
 */
export async function logOut({ store, accessTokens }: Auth, accessToken: string): Promise<void> {
  const { memberId, sessionId } = await accessTokens.verify(accessToken);
  await store.members.updateOne({ _id: memberId }, { $pull: { sessions: { id: sessionId } } });
}
