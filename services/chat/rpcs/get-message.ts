import type { GetMessageRequest, GetMessageResponse } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { findMessage, type Messages } from '../messages/store.ts';
import { messageNotFound } from '../refusals.ts';

/** @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND */
export async function getMessage(messages: Messages, request: GetMessageRequest): Promise<GetMessageResponse> {
  const { roomId, memberId, messageId } = request;
  requireIds({ roomId, memberId, messageId });
  const found = await findMessage(messages, roomId, messageId, memberId);
  if (!found) throw messageNotFound();
  return { message: found.message };
}
