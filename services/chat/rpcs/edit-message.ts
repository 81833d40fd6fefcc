import type { EditMessageRequest, EditMessageResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds, tidyText } from '../domain.ts';
import { changeMessage, type Messages } from '../messages/store.ts';
import { messageNotFound, notAuthor, versionMismatch } from '../refusals.ts';

/**
 * Has a message say something else.
 * @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND, NOT_AUTHOR, INVALID_MESSAGE, VERSION_MISMATCH
 */
export async function editMessage(messages: Messages, request: EditMessageRequest): Promise<EditMessageResponse> {
  const { roomId, memberId, messageId, expectedVersion } = request;
  requireIds({ roomId, memberId, messageId });
  const text = tidyText(request.text);
  const message = await changeMessage(messages, { roomId, memberId, messageId }, (before) => {
    if (before.deletedAt) throw messageNotFound();
    if (before.memberId !== memberId) throw notAuthor();
    if (expectedVersion !== undefined && expectedVersion !== before.version) throw versionMismatch();
    if (before.text === text) return undefined;
    return { after: { ...before, text, editedAt: new Date() }, type: 'message.updated' };
  });
  return { message };
}
