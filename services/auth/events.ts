import type { OutboxEvent } from '#platform/operations/mongo.ts';
import type { EventOf } from '../catalogue.ts';
import type { Login } from './store.ts';

/**
 * What happened to a member's login. Published on `auth.events`; holds nothing that opens anything. Only what may end sessions is
 * published: `login-suspended` of a login that takes no tokens any more, also where a step was undone; `login-told` of one as it is now,
 * by the task `retell`, because an event may have been lost.
 */
export type LoginEventType = Exclude<EventOf<'auth'>, 'auth.session-ended'>;

/** @param login as it is after the change; a removed one as it was, with the version after it */
export function loginEvent(type: LoginEventType, login: Pick<Login, '_id' | 'version'> & { status: string }): OutboxEvent {
  const { _id: memberId, status, version } = login;
  return { aggregateType: 'auth', aggregateId: memberId, version, type, payload: { memberId, status, version } };
}

const SESSION_ENDED = 'auth.session-ended' satisfies EventOf<'auth'>;

/** One session ended: a logout, a stolen refresh token, or a login too many. @param login as it is after that */
export function sessionEnded(login: Pick<Login, '_id' | 'version'> & { status: string }, sessionId: string): OutboxEvent {
  const { _id: memberId, status, version } = login;
  const payload = { memberId, status, version, sessionId };
  return { aggregateType: 'auth', aggregateId: memberId, version, type: SESSION_ENDED, payload };
}
