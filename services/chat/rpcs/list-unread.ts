import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { ListUnreadRequest, ListUnreadResponse } from '#proto/musubi/chat/v1/chat.ts';
import { countAfter, requireIds } from '../domain.ts';
import { marksOf } from '../messages/store.ts';

/** What a member has not read: counted from its marks, and written nowhere. */
export async function listUnread(redis: PartitionedRedis, { memberId }: ListUnreadRequest): Promise<ListUnreadResponse> {
  requireIds({ memberId });
  const rooms = (await marksOf(redis, memberId))
    .map(({ roomId, read, last, gaps }) => ({ roomId, read, last, count: countAfter(read, last, gaps) }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => (a.roomId < b.roomId ? -1 : 1));
  return { rooms };
}
