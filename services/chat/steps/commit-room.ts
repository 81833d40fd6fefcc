import type { Step } from '#platform/operations/redis.ts';
import type { OutboxEvent } from '#platform/outbox/event.ts';
import type { RedisTransaction } from '#platform/redis/transaction.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitRoomRequest, CommitRoomResponse } from '#proto/musubi/chat/v1/chat.ts';
import { freed, nextVersion, type Room, type RoomChange } from '../domain.ts';
import { writtenRoom } from '../events.ts';
import { notBegun, roomNotFound } from '../refusals.ts';
import { changeRoom } from '../rooms/change.ts';
import { findRoom, saveRoom } from '../rooms/store.ts';

/**
 * Does what the job has begun with the room.
 * @throws ROOM_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitRoom: Step<CommitRoomRequest, CommitRoomResponse> = {
  async do(tx, { operationId, roomId }) {
    const room = await findRoom(tx, roomId);
    if (!room) throw roomNotFound();
    if (room.lockHolder !== jobOf(operationId) || !room.pending) throw notBegun();
    const { version, events, left } = await commit(tx, room, room.pending);
    const written = events.map(({ aggregateType: type, aggregateId: id, version }) => ({ type, id, version }));
    return { result: { written: written.length > 0 ? written : [writtenRoom(roomId, version)], leftMemberIds: left }, events };
  },
  undo: 'impossible',
};

async function commit(
  tx: RedisTransaction,
  room: Room,
  pending: RoomChange,
): Promise<{ version: number; events: OutboxEvent[]; left: string[] }> {
  if (pending.change === 'stay') {
    saveRoom(tx, freed(room));
    return { version: room.version, events: [], left: [] };
  }
  const version = room.version === 0 ? 1 : nextVersion(room.version, await tx.epoch());
  return { version, ...(await changeRoom(tx, { ...freed(room), version, updatedAt: new Date() }, pending)) };
}
