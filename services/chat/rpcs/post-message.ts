import type { PostMessageRequest, PostMessageResponse } from '#proto/musubi/chat/v1/chat.ts';
import { type Message, requireIds, tidyText } from '../domain.ts';
import { addMessage, type Messages } from '../messages/store.ts';
import { keyReused } from '../refusals.ts';

/**
 * Says something in a room.
 * @throws ROOM_NOT_FOUND, INVALID_MESSAGE, IDEMPOTENCY_KEY_REUSED, MESSAGE_NOT_FOUND
 */
export async function postMessage(messages: Messages, request: PostMessageRequest): Promise<PostMessageResponse> {
  const { roomId, memberId, messageId, replyToId } = request;
  requireIds({ roomId, memberId, messageId, ...(replyToId === undefined ? {} : { replyToId }) });
  const text = tidyText(request.text);
  const given: Message = {
    ...{ messageId, roomId, sequence: 0, memberId, text, replyToId, reactions: [] },
    ...{ createdAt: new Date(), editedAt: undefined, deletedAt: undefined, version: 1 },
  };
  const { message, repeated } = await addMessage(messages, given, isRepeatable(messageId));
  if (repeated && !saysTheSame(given, message)) throw keyReused();
  return { message };
}

/** An ID that was made of a key, and not by chance: a UUID of version 8 (RFC 9562). */
const isRepeatable = (messageId: string): boolean => messageId[14] === '8';

/** Whether a message may be what was said with this ID. What has been changed since, nobody knows any more. */
const saysTheSame = (given: Message, there: Message): boolean =>
  there.memberId === given.memberId &&
  (there.editedAt !== undefined ||
    there.deletedAt !== undefined ||
    (there.text === given.text && there.replyToId === given.replyToId));
