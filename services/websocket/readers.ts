import type { EventHandler, EventMessage } from '#platform/kafka/subscribe.ts';
import { aggregateOf, topicOf } from '#platform/outbox/event.ts';
import type { EventReadBy } from '../catalogue.ts';
import { sayBindingsEvents, sayGroupEvents, sayMembershipEvents, sayPositionEvents } from './group-events.ts';
import type { Peers } from './identity.ts';
import { deliverJobEvents } from './job-events.ts';
import { recheckSessions } from './login-events.ts';
import { sayMessageEvents, sayRoomEvents, sayRoomMemberEvents } from './room-events.ts';
import type { SocketStore } from './store.ts';

type Read = (store: SocketStore, messages: EventMessage[], auth: Pick<Peers['auth'], 'listGroupsBelow'>) => Promise<void>;

/** What is done with an event, by its type. Events of other types are passed over: a newer Auth or Job may write them. */
export const READERS: { readonly [Type in EventReadBy<'websocket'>]: Read } = {
  'group.created': sayGroupEvents,
  'group.updated': sayGroupEvents,
  'group.moved': sayGroupEvents,
  'group.archived': sayGroupEvents,
  'group.restored': sayGroupEvents,
  'group.deleted': sayGroupEvents,
  'membership.changed': sayMembershipEvents,
  'membership.requested': sayMembershipEvents,
  'membership.invited': sayMembershipEvents,
  'membership.settled': sayMembershipEvents,
  'membership.ended': sayMembershipEvents,
  'position.created': sayPositionEvents,
  'position.updated': sayPositionEvents,
  'position.deleted': sayPositionEvents,
  'bindings.changed': sayBindingsEvents,
  'auth.login-suspended': recheckSessions,
  'auth.login-removed': recheckSessions,
  'auth.login-told': recheckSessions,
  'auth.session-ended': recheckSessions,
  'job.applied': deliverJobEvents,
  'job.completed': deliverJobEvents,
  'job.failed': deliverJobEvents,
  'job.cancelled': deliverJobEvents,
  'room.updated': sayRoomEvents,
  'room.deleted': sayRoomEvents,
  'room-member.changed': sayRoomMemberEvents,
  'message.posted': sayMessageEvents,
  'message.updated': sayMessageEvents,
  'message.deleted': sayMessageEvents,
};

/** The readers as what handles each topic: the events of one topic are read by one reader. */
export function topicHandlers(store: SocketStore, auth: Pick<Peers['auth'], 'listGroupsBelow'>): Record<string, EventHandler> {
  const readers: Readonly<Record<string, Read>> = READERS;
  const topics = Map.groupBy(Object.keys(readers), (type) => topicOf(aggregateOf(type)));
  const handlers = [...topics].map(([topic, types]) => {
    const [read, ...others] = new Set(types.map((type) => readers[type]));
    if (!read || others.length > 0) throw new Error(`${topic} has more than one reader`);
    const handle: EventHandler = (messages) => {
      const wanted = messages.filter(({ type }) => types.includes(type));
      return wanted.length > 0 ? read(store, wanted, auth) : Promise.resolve();
    };
    return [topic, handle] as const;
  });
  return Object.fromEntries(handlers);
}
