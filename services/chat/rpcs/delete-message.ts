import type { DeleteMessageRequest, DeleteMessageResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { changeMessage, type Messages } from '../messages/store.ts';
import { notAuthor, versionMismatch } from '../refusals.ts';

/**
 * Takes back what was said: its place in the history stays, and nothing else. A repeat changes nothing.
 * @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND, NOT_AUTHOR, VERSION_MISMATCH
 */
export async function deleteMessage(messages: Messages, request: DeleteMessageRequest): Promise<DeleteMessageResponse> {
  const { roomId, memberId, messageId, expectedVersion } = request;
  requireIds({ roomId, memberId, messageId });
  const message = await changeMessage(messages, { roomId, memberId, messageId }, (before, { owner }) => {
    if (before.memberId !== memberId && !owner) throw notAuthor();
    if (before.deletedAt) return undefined;
    if (expectedVersion !== undefined && expectedVersion !== before.version) throw versionMismatch();
    return { after: { ...before, text: '', reactions: [], deletedAt: new Date() }, type: 'message.deleted' };
  });
  return { message };
}
