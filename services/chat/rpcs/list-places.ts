import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { ListPlacesRequest, ListPlacesResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { tooManyRoomIds } from '../refusals.ts';
import { placeOf } from '../rooms/store.ts';

const MOST = 100;

/** Which of these rooms a member is in. @throws INVALID_ARGUMENT */
export async function listPlaces(redis: PartitionedRedis, { memberId, roomIds }: ListPlacesRequest): Promise<ListPlacesResponse> {
  requireIds({ memberId });
  if (roomIds.length > MOST) throw tooManyRoomIds(MOST);
  for (const roomId of roomIds) requireIds({ roomIds: roomId });
  const found = await Promise.all(
    [...new Set(roomIds)].map(async (roomId) => {
      const place = await placeOf(redis, roomId, memberId);
      return place ? [{ roomId, version: place.version }] : [];
    }),
  );
  return { places: found.flat() };
}
