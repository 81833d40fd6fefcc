import type { Step } from '#platform/operations/redis.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { BeginCreateRoomRequest, BeginCreateRoomResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireFirst, requireIds, tidyName } from '../domain.ts';
import { idTaken } from '../refusals.ts';
import { findRoom, saveRoom } from '../rooms/store.ts';
import { type Kept, letGo, newRoom, requireRoomFor } from './lock.ts';

/**
 * Makes a room that nobody sees yet.
 * @throws INVALID_ROOM, TOO_MANY_ROOMS
 */
export const beginCreateRoom = (redis: PartitionedRedis): Step<BeginCreateRoomRequest, BeginCreateRoomResponse, Kept> => ({
  async do(tx, request) {
    const { operationId, roomId, ownerId } = request;
    requireIds({ roomId, ownerId });
    const name = tidyName(request.name);
    const memberIds = requireFirst(ownerId, request.memberIds);
    if (await findRoom(tx, roomId)) throw idTaken();
    await requireRoomFor(redis, [ownerId, ...memberIds]);
    saveRoom(tx, newRoom(request, { kind: 'room', name, pending: { change: 'create', ownerId, memberIds } }));
    return { result: {}, kept: { roomId, jobId: jobOf(operationId) } };
  },
  undo: letGo,
});
