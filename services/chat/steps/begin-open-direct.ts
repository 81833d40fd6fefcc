import type { Step } from '#platform/operations/redis.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { BeginOpenDirectRequest, BeginOpenDirectResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireDirect, requireIds } from '../domain.ts';
import { roomBusy } from '../refusals.ts';
import { findRoom, saveRoom } from '../rooms/store.ts';
import { type Kept, letGo, newRoom, requireRoomFor } from './lock.ts';

/**
 * Makes the room of exactly these members, which nobody sees yet; where there is one, it stays as it is.
 * @throws TOO_MANY_ROOMS; ROOM_BUSY (retryable) while another job makes it
 */
export const beginOpenDirect = (redis: PartitionedRedis): Step<BeginOpenDirectRequest, BeginOpenDirectResponse, Kept> => ({
  async do(tx, request) {
    const { operationId, roomId } = request;
    requireIds({ roomId });
    const jobId = jobOf(operationId);
    const memberIds = requireDirect(request.memberIds);
    const room = await findRoom(tx, roomId);
    if (room && room.lockHolder !== null) throw roomBusy();
    if (!room) await requireRoomFor(redis, memberIds);
    saveRoom(
      tx,
      room
        ? { ...room, lockHolder: jobId, pending: { change: 'stay' } }
        : newRoom(request, { kind: 'direct', name: '', pending: { change: 'create', ownerId: null, memberIds } }),
    );
    return { result: {}, kept: { roomId, jobId } };
  },
  undo: letGo,
});
