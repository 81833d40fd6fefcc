import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { ListReceiptsRequest, ListReceiptsResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { readMarks } from '../messages/store.ts';

/** @throws ROOM_NOT_FOUND */
export async function listReceipts(
  redis: PartitionedRedis,
  { roomId, memberId }: ListReceiptsRequest,
): Promise<ListReceiptsResponse> {
  requireIds({ roomId, memberId });
  const marks = Object.entries(await readMarks(redis, roomId, memberId));
  return { receipts: marks.map(([id, sequence]) => ({ memberId: id, sequence: Number(sequence) })) };
}
