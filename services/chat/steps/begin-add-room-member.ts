import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import { MOST_ROOM_MEMBERS } from '#platform/validation/room-fields.ts';
import type { BeginAddRoomMemberRequest } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { alreadyInRoom, tooManyRoomMembers } from '../refusals.ts';
import { findPlaces } from '../rooms/store.ts';
import { lockRoom, requireOwner, requireRoomFor } from './lock.ts';

/** @throws NOT_ROOM_OWNER, ALREADY_IN_ROOM, TOO_MANY_ROOM_MEMBERS, TOO_MANY_ROOMS */
export const beginAddRoomMember = (redis: PartitionedRedis) =>
  lockRoom<BeginAddRoomMemberRequest>(async (tx, { roomId, memberId }, by) => {
    requireIds({ memberId });
    requireOwner(by);
    const places = await findPlaces(tx, roomId);
    if (places.has(memberId)) throw alreadyInRoom();
    if (places.size >= MOST_ROOM_MEMBERS) throw tooManyRoomMembers();
    await requireRoomFor(redis, [memberId]);
    return { change: 'add', memberId };
  });
