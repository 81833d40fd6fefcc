import type { EventMessage } from '#platform/kafka/event-message.ts';
import {
  type Message,
  MessageEvent,
  type Room,
  RoomEvent,
  type RoomMember,
  RoomMemberEvent,
} from '#proto/musubi/chat/v1/chat.ts';
import { CREATED, eventMessage } from './events.fixture.ts';

// Events as the chat service writes them; for tests.

/** `state` undefined: the room is gone. */
export function roomEvent(roomId: string, version: number, state: Partial<Room> | undefined): EventMessage {
  const others = { kind: 'ROOM_KIND_ROOM' as const, name: roomId, createdAt: CREATED };
  const room = state && { ...others, updatedAt: new Date(CREATED.getTime() + version), ...state };
  return eventMessage('room', state ? 'updated' : 'deleted', roomId, version, RoomEvent.toJSON({ roomId, version, room }));
}

/** `state` undefined: the member is not in the room any more. */
export function roomMemberEvent(
  roomId: string,
  memberId: string,
  version: number,
  state: Partial<RoomMember> | undefined,
): EventMessage {
  const member = state && { joinedAt: CREATED, owner: false, ...state };
  const event = RoomMemberEvent.toJSON({ roomId, memberId, version, member });
  return eventMessage('room-member', 'changed', `${roomId}/${memberId}`, version, event);
}

/** `state` undefined: nothing is left of the message. */
export function messageEvent(
  roomId: string,
  messageId: string,
  version: number,
  state: Partial<Message> | undefined,
): EventMessage {
  const message = state && sampleMessage(roomId, messageId, version, state);
  const event = MessageEvent.toJSON({ messageId, roomId, version, message });
  return eventMessage('message', state ? 'updated' : 'deleted', messageId, version, event);
}

/** A message as it is told, and as it is read. */
export const sampleMessage = (roomId: string, messageId: string, version: number, state: Partial<Message>): Message => ({
  messageId,
  roomId,
  version,
  sequence: 1,
  memberId: 'author',
  text: 'what was said',
  replyToId: undefined,
  reactions: [],
  createdAt: CREATED,
  editedAt: undefined,
  deletedAt: undefined,
  ...state,
});
