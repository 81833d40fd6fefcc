import { failedPrecondition, notFound, permissionDenied } from '#platform/errors.ts';
import { newId } from '#platform/validation/id.ts';
import type { Gap, Message } from '#proto/musubi/chat/v1/chat.ts';
import type { RoomView } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart } from '../worker/client.ts';
import type { CommandName } from '../workflows/commands.ts';
import type { State } from './applied.fixture.ts';

// What is played of rooms in the gateway's tests.

/** A room, with all that Chat and Query know of it. */
export interface PlayedRoom {
  roomId: string;
  /** Undefined: of a direct one. */
  name: string | undefined;
  ownerId: string | undefined;
  memberIds: string[];
  messages: Message[];
  /** Up to where members have read. */
  read: Map<string, number>;
  /** Up to where only queries have what was said. */
  archived: number;
  /** Up to where queries know it. */
  projected: number;
  gaps: Gap[];
  at: Date;
  version: number;
}

export const playedRoom = (roomId: string, given: Partial<PlayedRoom> = {}): PlayedRoom => ({
  roomId,
  name: 'Summer party',
  ownerId: undefined,
  memberIds: [],
  messages: [],
  read: new Map(),
  archived: 0,
  projected: Number.POSITIVE_INFINITY,
  gaps: [],
  at: new Date('2026-01-02T03:04:05.678Z'),
  version: 1,
  ...given,
});

/** Messages of these numbers. */
export const saidIn = (roomId: string, memberId: string, sequences: readonly number[]): Message[] =>
  sequences.map((sequence) => ({
    ...{ messageId: newId(), roomId, memberId, sequence, text: `message ${sequence}`, reactions: [], version: 1 },
    ...{ createdAt: new Date('2026-01-02T03:04:05.678Z'), editedAt: undefined, deletedAt: undefined },
  }));

/** A room as it is shown to one who is in it. */
export function roomViewTo({ roomId, name, ownerId, memberIds, at, version }: PlayedRoom, memberId: string): RoomView {
  return {
    ...{ roomId, version, createdAt: at, updatedAt: at, owned: memberId === ownerId },
    ...{ name: name ?? '', kind: name === undefined ? 'ROOM_KIND_DIRECT' : 'ROOM_KIND_ROOM' },
    ...{ memberCount: memberIds.length, memberIds: name === undefined ? memberIds.toSorted() : [] },
  };
}

type RoomCommand = Extract<CommandName, `room.${string}`>;
export const isOfRoom = (start: CommandStart): start is CommandStart<RoomCommand> => start.command.startsWith('room.');

/** What commands of rooms do. */
export function applyRoom({ rooms }: Pick<State, 'rooms'>, { command, input }: CommandStart<RoomCommand>): void {
  const { roomId } = input;
  if ('ownerId' in input) {
    const { name, ownerId, memberIds } = input;
    rooms.set(roomId, playedRoom(roomId, { name, ownerId, memberIds: [ownerId, ...memberIds] }));
    return;
  }
  if ('memberIds' in input) {
    if (!rooms.has(roomId)) rooms.set(roomId, playedRoom(roomId, { name: undefined, memberIds: input.memberIds }));
    return;
  }
  const { byMemberId } = input;
  const room = rooms.get(roomId);
  if (!room?.memberIds.includes(byMemberId)) throw notFound('ROOM_NOT_FOUND');
  if (room.name === undefined) throw failedPrecondition('DIRECT_ROOM');
  const leaves = command === 'room.remove-member' && 'memberId' in input && input.memberId === byMemberId;
  if (room.ownerId !== byMemberId && !leaves) throw permissionDenied('NOT_ROOM_OWNER');
  if ('expectedVersion' in input && input.expectedVersion !== undefined && input.expectedVersion !== room.version)
    throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  if ('memberId' in input) {
    const { memberId } = input;
    const isIn = room.memberIds.includes(memberId);
    if (command === 'room.add-member' && isIn) throw failedPrecondition('ALREADY_IN_ROOM');
    if (command === 'room.remove-member' && !isIn) throw notFound('NOT_IN_ROOM');
    room.memberIds = isIn ? room.memberIds.filter((one) => one !== memberId) : [...room.memberIds, memberId];
  } else if ('name' in input) room.name = input.name;
  else rooms.delete(roomId);
  room.version++;
}
