import { invalidFields } from '#platform/errors.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { MarkReadRequest, MarkReadResponse } from '#proto/musubi/chat/v1/chat.ts';
import { countAfter, requireIds } from '../domain.ts';
import { markRead as noteRead } from '../messages/store.ts';
import { sequenceAhead } from '../refusals.ts';

/**
 * Notes up to where a member has read, on whichever of its devices.
 * @throws ROOM_NOT_FOUND, SEQUENCE_AHEAD
 */
export async function markRead(redis: PartitionedRedis, request: MarkReadRequest): Promise<MarkReadResponse> {
  const { roomId, memberId, sequence } = request;
  requireIds({ roomId, memberId });
  if (sequence < 0) throw invalidFields([{ field: 'sequence', message: 'must be 0 or more' }]);
  const { mark, last, gaps } = await noteRead(redis, roomId, memberId, sequence);
  if (sequence > last) throw sequenceAhead(last);
  return { sequence: mark, unread: countAfter(mark, last, gaps) };
}
