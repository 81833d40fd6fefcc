import type { ClientSession } from 'mongodb';
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
export async function endSession(store: Store, memberId: string, sessionId: string): Promise<void> {
  await transaction(store.mongo, (session) => endSessionIn(store, session, memberId, sessionId));
}

/** The same as a part of a transaction. */
export async function endSessionIn(
  { mongo, members }: Store,
  session: ClientSession,
  memberId: string,
  sessionId: string,
): Promise<void> {
  const after = await members.findOneAndUpdate(
    { _id: memberId, 'sessions.id': sessionId },
    { $pull: { sessions: { id: sessionId } }, $inc: { version: 1 } },
    { session, projection: { status: 1, version: 1 }, returnDocument: 'after' },
  );
  if (after) await addEvents(mongo, session, [sessionEnded(after, sessionId)]);
}
