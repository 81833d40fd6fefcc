import type { OutboxEvent } from '#platform/operations/mongo.ts';
import type { EventOf } from '../catalogue.ts';
import type { Login } from './store.ts';

/**
 * What happened to a member's login. Published on `auth.events`; holds nothing that opens anything. Only what may end sessions is
 * published: `session-ended` where some of them ended; `login-suspended` of a login that takes no tokens any more, also where a step
 * was undone; `login-told` of one as it is now, by the task `retell`, because an event may have been lost. Which sessions ended,
 * readers ask Auth.
 */
export type LoginEventType = Exclude<EventOf<'auth'>, 'erasure.requested'>;

/** @param login as it is after the change; a removed one as it was, with the version after it */
export function loginEvent(type: LoginEventType, login: Pick<Login, '_id' | 'version'> & { status: string }): OutboxEvent {
  const { _id: memberId, status, version } = login;
  return { aggregateType: 'auth', aggregateId: memberId, version, type, payload: { memberId, status, version } };
}
