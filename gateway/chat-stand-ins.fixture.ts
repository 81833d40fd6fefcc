import { failedPrecondition, notFound, permissionDenied } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import {
  ChatServiceService,
  type DeleteMessageRequest,
  type EditMessageRequest,
  type GetMessageRequest,
  type ListMessagesRequest,
  type ListReceiptsRequest,
  type ListUnreadRequest,
  type MarkReadRequest,
  type Message,
  type PostMessageRequest,
  type ReactRequest,
} from '#proto/musubi/chat/v1/chat.ts';
import type {
  GetRoomRequest,
  ListRoomMembersRequest,
  ListRoomMessagesRequest,
  ListRoomsRequest,
} from '#proto/musubi/query/v1/query.ts';
import type { State } from './applied.fixture.ts';
import { noPageToken } from './lists.fixture.ts';
import { type PlayedRoom, roomViewTo } from './rooms.fixture.ts';

// What stands in the place of Chat, and of what Query has of rooms.

/** What the gateway never calls. */
const never = async (): Promise<never> => {
  throw new Error('the gateway never calls this');
};

/** @throws ROOM_NOT_FOUND, also for who is not in it */
function roomOf({ rooms }: Pick<State, 'rooms'>, { roomId, memberId }: { roomId: string; memberId: string }): PlayedRoom {
  const room = rooms.get(roomId);
  if (!room?.memberIds.includes(memberId)) throw notFound('ROOM_NOT_FOUND');
  return room;
}

function messageOf(room: PlayedRoom, messageId: string): Message {
  const message = room.messages.find((one) => one.messageId === messageId);
  if (!message || message.deletedAt) throw notFound('MESSAGE_NOT_FOUND');
  return message;
}

/** Those after a number, the oldest first; else those before one, the newest first. */
function pageOf(
  messages: readonly Message[],
  { before, after, limit }: { before?: number | undefined; after?: number | undefined; limit: number },
) {
  const found =
    after === undefined
      ? messages.filter(({ sequence }) => sequence < (before ?? Number.POSITIVE_INFINITY)).toReversed()
      : messages.filter(({ sequence }) => sequence > after);
  return found.slice(0, limit);
}

export function chatOf(world: State) {
  const changed = (room: PlayedRoom, message: Message, changes: Partial<Message>) => {
    const after = { ...message, ...changes, version: message.version + 1 };
    room.messages.splice(room.messages.indexOf(message), 1, after);
    return { message: after };
  };
  const requireVersion = ({ version }: Message, expected = version): void => {
    if (version !== expected) throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  };
  return {
    ...(Object.fromEntries(
      Object.keys(ChatServiceService).map((name) => [name, never]),
    ) as unknown as Handlers<ChatServiceService>),
    async postMessage({ messageId, text, replyToId, ...who }: PostMessageRequest) {
      const room = roomOf(world, who);
      const known = room.messages.find((one) => one.messageId === messageId);
      if (known && known.text !== text) throw failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'used for another message');
      if (known) return { message: known };
      if (replyToId !== undefined) messageOf(room, replyToId);
      const sequence = (room.messages.at(-1)?.sequence ?? 0) + 1;
      const nothing = { reactions: [], editedAt: undefined, deletedAt: undefined };
      const message = { ...who, ...nothing, messageId, text, replyToId, sequence, createdAt: new Date(), version: 1 };
      room.messages.push(message);
      return { message };
    },
    async editMessage({ messageId, text, expectedVersion, ...who }: EditMessageRequest) {
      const room = roomOf(world, who);
      const message = messageOf(room, messageId);
      if (message.memberId !== who.memberId) throw permissionDenied('NOT_AUTHOR');
      requireVersion(message, expectedVersion);
      return changed(room, message, { text, editedAt: new Date() });
    },
    async deleteMessage({ messageId, expectedVersion, ...who }: DeleteMessageRequest) {
      const room = roomOf(world, who);
      const message = messageOf(room, messageId);
      if (![message.memberId, room.ownerId].includes(who.memberId)) throw permissionDenied('NOT_AUTHOR');
      requireVersion(message, expectedVersion);
      return changed(room, message, { text: '', deletedAt: new Date() });
    },
    async react({ messageId, emoji, remove, ...who }: ReactRequest) {
      const room = roomOf(world, who);
      const message = messageOf(room, messageId);
      if (message.reactions.length >= 50) throw failedPrecondition('TOO_MANY_REACTIONS');
      const others = message.reactions.filter((one) => one.emoji !== emoji);
      return changed(room, message, { reactions: remove ? others : [...others, { emoji, memberIds: [who.memberId] }] });
    },
    async markRead({ sequence, ...who }: MarkReadRequest) {
      const room = roomOf(world, who);
      const last = room.messages.at(-1)?.sequence ?? 0;
      if (sequence > last) throw failedPrecondition('SEQUENCE_AHEAD');
      const read = Math.max(sequence, room.read.get(who.memberId) ?? 0);
      room.read.set(who.memberId, read);
      return { sequence: read, unread: last - read };
    },
    async getMessage({ messageId, ...who }: GetMessageRequest) {
      return { message: messageOf(roomOf(world, who), messageId) };
    },
    async listMessages({ before, after, limit, ...who }: ListMessagesRequest) {
      const { messages, archived, gaps } = roomOf(world, who);
      const own = messages.filter(({ sequence }) => sequence > archived);
      return { messages: pageOf(own, { before, after, limit }), gaps, last: messages.at(-1)?.sequence ?? 0, archived };
    },
    async listReceipts(request: ListReceiptsRequest) {
      const { read } = roomOf(world, request);
      return { receipts: [...read].map(([memberId, sequence]) => ({ memberId, sequence })) };
    },
    async listUnread({ memberId }: ListUnreadRequest) {
      const all = [...world.rooms.values()].filter(({ memberIds }) => memberIds.includes(memberId));
      const rooms = all.map(({ roomId, messages, read }) => {
        const [last, upTo] = [messages.at(-1)?.sequence ?? 0, read.get(memberId) ?? 0];
        return { roomId, count: last - upTo, read: upTo, last };
      });
      return { rooms: rooms.filter(({ count }) => count > 0) };
    },
  };
}

export function roomQueriesOf(world: State) {
  return {
    async getRoom(request: GetRoomRequest) {
      return { room: roomViewTo(roomOf(world, request), request.memberId) };
    },
    async listRooms({ memberId, pageSize, pageToken }: ListRoomsRequest) {
      noPageToken(pageToken);
      const all = [...world.rooms.values()].filter(({ memberIds }) => memberIds.includes(memberId));
      const rooms = all.slice(0, pageSize).map((room) => roomViewTo(room, memberId));
      return { rooms, nextPageToken: all.length > pageSize ? 'next' : '' };
    },
    async listRoomMembers({ roomId, memberId, pageSize, pageToken }: ListRoomMembersRequest) {
      noPageToken(pageToken);
      const { memberIds, ownerId, at } = roomOf(world, { roomId, memberId });
      const members = memberIds.map((one) => ({ memberId: one, owner: one === ownerId, joinedAt: at }));
      return { members: members.slice(0, pageSize), nextPageToken: members.length > pageSize ? 'next' : '' };
    },
    async listRoomMessages({ roomId, ...page }: ListRoomMessagesRequest) {
      const { messages = [], projected = 0 } = world.rooms.get(roomId) ?? {};
      return {
        messages: pageOf(
          messages.filter(({ sequence }) => sequence <= projected),
          page,
        ),
      };
    },
  };
}
