import type { OutboxEvent } from '#platform/operations/mongo.ts';
import type { Login } from './store.ts';

/** What happened to a member's login. Published on `auth.events`; holds nothing that opens anything. */
export type LoginEventType = 'auth.login-bound' | 'auth.login-changed' | 'auth.login-suspended' | 'auth.login-removed';

/** @param login as it is after the change; a removed one as it was, with the version after it */
export function loginEvent(type: LoginEventType, login: Pick<Login, '_id' | 'version'> & { status: string }): OutboxEvent {
  const { _id: memberId, status, version } = login;
  return { aggregateType: 'auth', aggregateId: memberId, version, type, payload: { memberId, status, version } };
}

/** One session ended: a logout, a stolen refresh token, or a login too many. @param login as it is after that */
export function sessionEnded(login: Pick<Login, '_id' | 'version'> & { status: string }, sessionId: string): OutboxEvent {
  const { _id: memberId, status, version } = login;
  const payload = { memberId, status, version, sessionId };
  return { aggregateType: 'auth', aggregateId: memberId, version, type: 'auth.session-ended', payload };
}
