import type { EventMessage } from '#platform/kafka/subscribe.ts';
import type { SocketStore } from './store.ts';

/**
 * Whatever happened to a member's login may have ended sessions. Of which sockets, Auth says when each asks it again:
 * so an event that comes late, twice or after the next one closes nobody wrongly.
 */
export async function recheckSessions(store: SocketStore, messages: EventMessage[]): Promise<void> {
  await store.recheck(new Set(messages.map(({ subject: memberId }) => memberId)));
}
