import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { idMadeOf } from '#platform/validation/id.ts';
import { RoomKind } from '#proto/musubi/chat/v1/chat.ts';
import type { RoomMemberView, RoomView } from '#proto/musubi/query/v1/query.ts';
import type { Reader } from '../../commands/route.ts';
import type { RequestGateway } from '../../gateway.ts';
import { requireAllowed } from '../../http/authorize.ts';
import { tagged } from '../../http/etag.ts';
import { pageSchema } from '../../http/paging.ts';
import { EXAMPLE_ID } from '../../id.ts';
import { iso } from '../time.ts';

// How rooms are shown, and who is in them.

export const roomSchema = z
  .strictObject({
    id: z.uuid(),
    kind: z.enum(['room', 'direct', 'unknown']).meta({
      description:
        'room: one that somebody has made. direct: that of exactly those who are in it. unknown: what a newer release says of it has no word here',
    }),
    name: z.string().optional().meta({ description: 'Absent: a direct one has none' }),
    memberCount: z.int().min(0).meta({ description: 'How many are in it' }),
    memberIds: z
      .array(z.uuid())
      .optional()
      .meta({ description: 'Of a direct one all who are in it; absent: `GET /v1/rooms/{roomId}/members` lists them' }),
    owned: z.boolean().meta({ description: 'Whether you own it' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({
    id: 'Room',
    examples: [
      {
        id: EXAMPLE_ID,
        kind: 'room',
        name: '夏祭り',
        memberCount: 12,
        owned: true,
        createdAt: '2026-11-25T09:30:00.000Z',
        updatedAt: '2026-11-25T09:30:00.000Z',
      },
    ],
  });

export const roomPageSchema = pageSchema(roomSchema, 'RoomPage');

const roomMemberSchema = z
  .strictObject({
    id: z.uuid().meta({ description: "The member's" }),
    owner: z.boolean().meta({ description: 'Whether it owns the room' }),
    joinedAt: z.iso.datetime(),
  })
  .meta({ id: 'RoomMember', examples: [{ id: EXAMPLE_ID, owner: true, joinedAt: '2026-11-25T09:30:00.000Z' }] });

export const roomMemberPageSchema = pageSchema(roomMemberSchema, 'RoomMemberPage');

/** A room as Auth is asked about it. */
export const room = (id: string) => ({ type: 'Room', id });

/** The room in which exactly these talk has one ID, whoever opens it and in whichever order they are named. */
export const directRoomId = (memberIds: readonly string[]): string =>
  idMadeOf(`musubi/rooms/direct/${memberIds.toSorted().join('/')}`);

type Shown = z.output<typeof roomSchema>;

/** Every kind of Chat's contract; a newer release may have others. */
const KINDS: Readonly<Partial<Record<RoomKind, Shown['kind']>>> = {
  [RoomKind.ROOM_KIND_ROOM]: 'room',
  [RoomKind.ROOM_KIND_DIRECT]: 'direct',
};

export function roomShown({ roomId, kind, name, memberCount, memberIds, owned, createdAt, updatedAt }: RoomView): Shown {
  return {
    id: roomId,
    kind: KINDS[kind] ?? 'unknown',
    ...(name === '' ? {} : { name }),
    memberCount,
    ...(kind === RoomKind.ROOM_KIND_DIRECT ? { memberIds } : {}),
    owned,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}

export const roomMemberShown = ({ memberId, owner, joinedAt }: RoomMemberView) => ({
  id: memberId,
  owner,
  joinedAt: iso(joinedAt),
});

/** The answer that shows a room to who is in it. @throws ROOM_NOT_FOUND, also for who is not */
export async function readRoom(gateway: RequestGateway, roomId: string, memberId: string) {
  const { room } = await gateway.query.getRoom({ roomId, memberId });
  if (!room) throw internal('INTERNAL', 'Query answered without a room');
  return tagged(room.version, roomShown(room));
}

/**
 * The same to whoever has sent a command.
 *
 * @param memberId whose job it was
 * @throws PERMISSION_DENIED where that may read rooms no more; ROOM_NOT_FOUND
 */
export async function readRoomFor(gateway: RequestGateway, roomId: string, { accessToken }: Reader, memberId: string) {
  await requireAllowed(gateway, { accessToken, action: 'room.read', resource: room(roomId) });
  return await readRoom(gateway, roomId, memberId);
}
