import type { ClientSession } from 'mongodb';
import { notFound } from '#platform/errors.ts';
import { addEvents, transaction } from '#platform/operations/mongo.ts';
import type { EndSessionRequest } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate } from '../access.ts';
import type { Happened } from '../audit/event.ts';
import type { Auth } from '../auth.ts';
import { loginEvent } from '../events.ts';
import type { SessionOf } from '../session-facts.ts';
import { closeSockets } from '../sockets.ts';

/** What ends a session, as the audit is told. */
type EndedBy = Omit<Happened, 'resources'>;

/**
 * Ends one of the sessions of a token's member.
 *
 * @throws as `authenticate`; SESSION_NOT_FOUND, also for another member's; SOCKETS_OPEN
 */
export async function endOwnSession(
  auth: Auth,
  { accessToken, sessionId, origin }: EndSessionRequest,
  signal?: AbortSignal,
): Promise<void> {
  const { memberId, sessionId: own } = await authenticate(auth, accessToken, signal);
  const from = await auth.audit.seal(memberId, origin);
  const by = { action: 'auth.end-session', actorId: memberId, sessionId: own, from };
  if (!(await endSession(auth, { memberId, sessionId }, by))) throw notFound('SESSION_NOT_FOUND');
}

/**
 * Ends a session everywhere: once this has answered, its tokens are refused and its sockets are closed.
 *
 * @param by what ends it, as the audit is told
 * @returns whether it was there
 * @throws SOCKETS_OPEN when it has ended, and whether its sockets are closed is not known
 */
export async function endSession(auth: Auth, which: SessionOf, by: EndedBy): Promise<boolean> {
  const ended = await transaction(auth.store.mongo, (session) => endSessionIn(auth, session, which, by));
  if (ended) {
    await auth.store.pivots.settled();
    await closeSockets(auth, which.memberId);
  }
  return ended;
}

/** Ends a session as a part of a transaction, and tells of it: whoever has its sockets closes them when that is heard. */
export async function endSessionIn(
  { store: { mongo, members }, audit }: Pick<Auth, 'store' | 'audit'>,
  session: ClientSession,
  { memberId, sessionId }: SessionOf,
  by: EndedBy,
): Promise<boolean> {
  const after = await members.findOneAndUpdate(
    { _id: memberId, 'sessions.id': sessionId },
    { $pull: { sessions: { id: sessionId } }, $inc: { version: 1 } },
    { session, projection: { status: 1, version: 1 }, returnDocument: 'after' },
  );
  if (!after) return false;
  await addEvents(mongo, session, [loginEvent('auth.session-ended', after)]);
  const resources = [
    { type: 'Session', id: sessionId },
    { type: 'Member', id: memberId },
  ];
  await audit.note(session, { ...by, resources });
  return true;
}
