import { invalidFields } from '#platform/errors.ts';
import type { ListMessagesRequest, ListMessagesResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { listMessages as list, type Messages } from '../messages/store.ts';
import { invalidLimit } from '../refusals.ts';

const MOST = 100;

/** @throws ROOM_NOT_FOUND */
export async function listMessages(messages: Messages, request: ListMessagesRequest): Promise<ListMessagesResponse> {
  const { roomId, memberId, before, after, limit } = request;
  requireIds({ roomId, memberId });
  if (limit < 1 || limit > MOST) throw invalidLimit(MOST);
  if (before !== undefined && after !== undefined)
    throw invalidFields([{ field: 'after', message: 'must not be there together with before' }]);
  return await list(messages, { roomId, memberId, before, after, limit });
}
