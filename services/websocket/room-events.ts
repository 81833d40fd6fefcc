import { toMessageView } from '#platform/message-view.ts';
import { MessageEvent, RoomEvent, RoomMemberEvent } from '#proto/musubi/chat/v1/chat.ts';
import { roomTopic } from './domain.ts';
import { changeOf, sayEvents, type Told } from './topic-events.ts';
import type { Saying } from './topic-store.ts';

// Who follows a room is in it, so all hear the same: what is said there whole, and of the room, and who comes and goes, that it has changed.

const saying = (roomId: string, type: string, of: string, fields: Saying['fields']): Saying => ({
  topic: roomTopic(roomId),
  type,
  fields,
  whom: 'all',
  of,
});

const ofRoom: Told = (message) => {
  const { roomId, version } = RoomEvent.fromJSON(message.data);
  const fields = { change: changeOf(message), roomId, version };
  return { subject: roomId, sayings: [saying(roomId, 'room', roomId, fields)] };
};

const ofRoomMember: Told = (message) => {
  const { roomId, memberId, version, member } = RoomMemberEvent.fromJSON(message.data);
  const fields = { change: member ? 'changed' : 'ended', roomId, memberId, version };
  return { subject: `${roomId}/${memberId}`, sayings: [saying(roomId, 'room-member', memberId, fields)] };
};

const ofMessage: Told = (event) => {
  const { messageId, roomId, message } = MessageEvent.fromJSON(event.data);
  const change = changeOf(event);
  // Of one of which nothing is left the room is gone, too.
  if (!message) return { subject: messageId, sayings: [] };
  const fields = { ...(change === 'posted' ? {} : { change }), roomId, message: toMessageView(message) };
  return { subject: messageId, sayings: [saying(roomId, 'message', messageId, fields)] };
};

export const sayRoomEvents = sayEvents(ofRoom);
export const sayRoomMemberEvents = sayEvents(ofRoomMember);
export const sayMessageEvents = sayEvents(ofMessage);
