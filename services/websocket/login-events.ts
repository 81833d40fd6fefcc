import type { EventMessage } from '#platform/kafka/subscribe.ts';
import type { SocketStore } from './store.ts';

/**
 * Each of these events may have ended sessions of a member. Of which sockets, Auth says when each asks it again: so an event that
 * comes late, twice or after the next one closes nobody wrongly.
 */
export async function recheckSessions(store: SocketStore, messages: EventMessage[]): Promise<void> {
  await store.recheck(new Set(messages.map(({ subject: memberId }) => memberId)));
}
