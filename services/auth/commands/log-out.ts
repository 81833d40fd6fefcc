import { addEvents, transaction } from '#platform/operations/mongo.ts';
import type { Auth } from '../auth.ts';
import { sessionEnded } from '../events.ts';
import type { Store } from '../store.ts';

/**
 * Ends the session of an access token: neither it nor its refresh token is accepted any more.
 * A session that has ended already is ended.
 *
 * @throws TOKEN_INVALID, TOKEN_EXPIRED
 */
export async function logOut({ store, accessTokens }: Auth, accessToken: string): Promise<void> {
  const { memberId, sessionId } = await accessTokens.verify(accessToken);
  await endSession(store, memberId, sessionId);
}

/** Ends a session and tells of it, so that its open sockets are closed, too. One that has ended already is ended. */
export async function endSession({ mongo, members }: Store, memberId: string, sessionId: string): Promise<void> {
  await transaction(mongo, async (session) => {
    const after = await members.findOneAndUpdate(
      { _id: memberId, 'sessions.id': sessionId },
      { $pull: { sessions: { id: sessionId } }, $inc: { version: 1 } },
      { session, projection: { status: 1, version: 1 }, returnDocument: 'after' },
    );
    if (after) await addEvents(mongo, session, [sessionEnded(after, sessionId)]);
  });
}
