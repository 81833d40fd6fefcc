import { randomUUID } from 'node:crypto';
import type { OutboxEvent } from '#platform/outbox/event.ts';
import { type Message, MessageEvent, RoomEvent, RoomKind, RoomMemberEvent } from '#proto/musubi/chat/v1/chat.ts';
import { TestClient } from './client.fixture.ts';
import { newMessage } from './peers.fixture.ts';
import { type InstanceOptions, openTestSockets } from './socket.fixture.ts';

// Events as Chat writes them, and members who follow rooms.

const AT = new Date(1_790_000_000_000);

export const topicOf = (roomId: string): string => `room:${roomId}`;

const event = (type: string, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: type.slice(0, type.indexOf('.')),
  ...{ aggregateId, version, type, payload },
});

export function messageEvent(
  change: 'posted' | 'updated' | 'deleted',
  { message, ...given }: Partial<Message> & { roomId: string; message?: Message },
): OutboxEvent {
  const made = message ?? newMessage(given);
  const { messageId, roomId, version } = made;
  return event(`message.${change}`, messageId, version, MessageEvent.toJSON({ messageId, roomId, version, message: made }));
}

export function roomEvent(change: 'updated' | 'deleted', roomId: string, version: number): OutboxEvent {
  const room = { kind: RoomKind.ROOM_KIND_ROOM, name: 'a name', createdAt: AT, updatedAt: AT };
  const payload = RoomEvent.toJSON({ roomId, version, room: change === 'deleted' ? undefined : room });
  return event(`room.${change}`, roomId, version, payload);
}

export function placeEvent(roomId: string, memberId: string, version: number, isThere: boolean): OutboxEvent {
  const member = isThere ? { joinedAt: AT, owner: false } : undefined;
  const payload = RoomMemberEvent.toJSON({ roomId, memberId, version, member });
  return event('room-member.changed', `${roomId}/${memberId}`, version, payload);
}

/** Two instances of one test file, and members who are in rooms. */
export async function openRooms(options?: InstanceOptions) {
  const sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const one = await sockets.instance(options);
  const two = await sockets.instance(options);
  const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
  /** Has a member be in a room. */
  const enter = (me: string, roomId: string, version = 1): void => {
    sockets.allow(me, roomId, 'room.read', 'room.post');
    sockets.places.set(`${me} ${roomId}`, version);
  };
  const leave = (me: string, roomId: string): void => void sockets.places.delete(`${me} ${roomId}`);
  return {
    ...{ sockets, one, two, connect, enter, leave },
    /** A room, and a socket of a member who is in it and follows it. */
    following: async (at = one, roomId: string = randomUUID(), me: string = randomUUID()) => {
      enter(me, roomId);
      const client = await connect(me, at);
      await client.subscribe([topicOf(roomId)]);
      return { roomId, me, client };
    },
  };
}

/** Subscribes from a cursor on. @returns the cursor where it begins */
export async function resume(client: TestClient, roomId: string, cursor: string | undefined): Promise<string | undefined> {
  const before = client.of('subscribed').length;
  const topic = topicOf(roomId);
  client.send({ type: 'subscribe', topics: [topic], ...(cursor ? { cursors: { [topic]: cursor } } : {}) });
  return (await client.count('subscribed', before + 1))[before]?.cursors[topic];
}

/** What a client was sent of rooms, in short: what, which change, and the number. */
export const heardBy = (client: TestClient): string[] =>
  client.frames.flatMap((frame) => {
    if (frame.type === 'message') return [`message ${frame.change ?? 'new'} ${frame.message.sequence}`];
    return frame.type === 'room' || frame.type === 'room-member' ? [`${frame.type} ${frame.change} ${frame.version}`] : [];
  });

/** Waits until a client was sent so much of rooms. */
export const heard = (client: TestClient, count: number): Promise<void> => client.until(() => heardBy(client).length >= count);
