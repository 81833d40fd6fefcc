import type { Step } from '#platform/operations/redis.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { RedisTransaction } from '#platform/redis/transaction.ts';
import { jobOf } from '#platform/validation/id.ts';
import { MOST_ROOMS } from '#platform/validation/room-fields.ts';
import { freed, type Place, type Room, type RoomChange, requireIds } from '../domain.ts';
import { directRoom, notRoomOwner, roomBusy, roomNotFound, tooManyRooms, versionMismatch } from '../refusals.ts';
import { countRooms, dropRoom, findPlace, findRoom, saveRoom } from '../rooms/store.ts';

/** What the undo of a beginning needs. */
export interface Kept {
  roomId: string;
  jobId: string;
}

/** What a step that begins to change a room is asked. */
interface Asked {
  operationId: string;
  roomId: string;
  byMemberId: string;
  expectedVersion?: number | undefined;
}

/** Lets go of what a job has begun to change: it is as it was. What the job was creating is gone. */
export async function letGo(tx: RedisTransaction, { roomId, jobId }: Kept): Promise<void> {
  const room = await findRoom(tx, roomId);
  if (room?.lockHolder !== jobId) return;
  if (room.version === 0) dropRoom(tx, roomId);
  else saveRoom(tx, freed(room));
}

/**
 * The step by which a job takes a room, with what it will make of it. Nothing that others see changes.
 *
 * @param begin refuses what is asked of that room, and says what it will become
 * @throws ROOM_NOT_FOUND also to who is not in it; DIRECT_ROOM, VERSION_MISMATCH; ROOM_BUSY (retryable)
 */
export const lockRoom = <Request extends Asked>(
  begin: (tx: RedisTransaction, request: Request, by: Place) => Promise<RoomChange>,
): Step<Request, Record<string, never>, Kept> => ({
  async do(tx, request) {
    const { operationId, roomId, byMemberId, expectedVersion } = request;
    requireIds({ roomId, byMemberId });
    const jobId = jobOf(operationId);
    const room = await findRoom(tx, roomId);
    const by = await findPlace(tx, roomId, byMemberId);
    if (!room || !by) throw roomNotFound();
    if (room.kind === 'direct') throw directRoom();
    if (room.lockHolder !== null) throw roomBusy();
    if (expectedVersion !== undefined && expectedVersion !== room.version) throw versionMismatch();
    saveRoom(tx, { ...room, lockHolder: jobId, pending: await begin(tx, request, by) });
    return { result: {}, kept: { roomId, jobId } };
  },
  undo: letGo,
});

/** @throws NOT_ROOM_OWNER */
export function requireOwner({ owner }: Place): void {
  if (!owner) throw notRoomOwner();
}

/**
 * Of a member that comes into a room. Rooms are in many partitions, so of two that it comes into at once both may be the last.
 * @throws TOO_MANY_ROOMS
 */
export async function requireRoomFor(redis: PartitionedRedis, memberIds: readonly string[]): Promise<void> {
  for (const memberId of memberIds) if ((await countRooms(redis, memberId)) >= MOST_ROOMS) throw tooManyRooms();
}

/** A room that a job begins to make. */
export function newRoom(request: { operationId: string; roomId: string }, room: Pick<Room, 'kind' | 'name' | 'pending'>): Room {
  const now = new Date();
  const { roomId, operationId } = request;
  return { roomId, ...room, version: 0, lockHolder: jobOf(operationId), createdAt: now, updatedAt: now };
}
