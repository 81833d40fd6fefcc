import { aggregateOf, type OutboxEvent } from '#platform/outbox/event.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { MessageEvent, RoomEvent, RoomKind, RoomMemberEvent } from '#proto/musubi/chat/v1/chat.ts';
import type { EventOf } from '../catalogue.ts';
import type { Kind, Message, Place, Room } from './domain.ts';

const event = (type: EventOf<'chat'>, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: aggregateOf(type),
  aggregateId,
  version,
  type,
  payload,
});

const KINDS: Readonly<Record<Kind, RoomKind>> = {
  room: RoomKind.ROOM_KIND_ROOM,
  direct: RoomKind.ROOM_KIND_DIRECT,
};

/** The whole state of a room after a change. */
export function roomEvent(type: 'room.created' | 'room.updated', { roomId, version, kind, ...room }: Room): OutboxEvent {
  const { name, createdAt, updatedAt } = room;
  return event(
    type,
    roomId,
    version,
    RoomEvent.toJSON({ roomId, version, room: { kind: KINDS[kind], name, createdAt, updatedAt } }),
  );
}

/** The end of a room. @param version the one after its last */
export const roomDeleted = (roomId: string, version: number): OutboxEvent =>
  event('room.deleted', roomId, version, RoomEvent.toJSON({ roomId, version, room: undefined }));

/** `ROOM/MEMBER`: that a member is in a room is an aggregate, whose version is the room's. */
export const placeId = (roomId: string, memberId: string): string => `${roomId}/${memberId}`;

/** What a member is in a room. @param place undefined: it is not in it any more, since this version of the room */
export function placeEvent(roomId: string, memberId: string, place: Place | undefined, since = 0): OutboxEvent {
  const version = place?.version ?? since;
  const payload = RoomMemberEvent.toJSON({ roomId, memberId, version, member: place });
  return event('room-member.changed', placeId(roomId, memberId), version, payload);
}

/** The whole state of a message. Those of a room keep their order. */
export function messageEvent(type: 'message.posted' | 'message.updated' | 'message.deleted', message: Message): OutboxEvent {
  const { messageId, roomId, version } = message;
  const payload = MessageEvent.toJSON({ messageId, roomId, version, message });
  return { ...event(type, messageId, version, payload), orderKey: roomId };
}

/** Nothing is left of a message. @param version the one after its last */
export const messageGone = (roomId: string, messageId: string, version: number): OutboxEvent => ({
  ...event('message.deleted', messageId, version, MessageEvent.toJSON({ messageId, roomId, version, message: undefined })),
  orderKey: roomId,
});

/** What a caller waits for to see a state in queries. */
export const writtenRoom = (id: string, version: number): AggregateVersion => ({ type: 'room', id, version });
export const writtenPlace = (roomId: string, memberId: string, version: number): AggregateVersion => ({
  type: 'room-member',
  id: placeId(roomId, memberId),
  version,
});
