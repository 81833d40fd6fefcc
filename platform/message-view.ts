import { z } from 'zod';
import type { Message } from '#proto/musubi/chat/v1/chat.ts';
import { internal } from './errors.ts';
import { idMadeOf } from './validation/id.ts';

/** A message of a room as clients see it, by REST and on the socket: the one schema and the one mapping of both. */

const sequence = z.int().min(1);

export const messageView = z.strictObject({
  id: z.uuid(),
  roomId: z.uuid(),
  sequence: sequence.meta({ description: 'Its place in the room, from 1 on: none is given twice' }),
  memberId: z.uuid().optional().meta({ description: 'Who said it; absent: that member is gone' }),
  text: z.string().optional().meta({
    description: 'Absent: it was deleted. Plain text: whoever shows it isolates its direction, and takes it for no markup',
  }),
  replyToId: z.uuid().optional().meta({ description: 'The message that it answers, which may have been deleted since' }),
  reactions: z.array(
    z.strictObject({
      emoji: z.string(),
      memberIds: z.array(z.uuid()).meta({ description: 'Who put it there, in the order in which they did' }),
    }),
  ),
  createdAt: z.iso.datetime(),
  editedAt: z.iso.datetime().optional().meta({ description: 'Absent: it is as it was said' }),
  deletedAt: z.iso.datetime().optional().meta({ description: 'Absent: it was not deleted' }),
  version: z.int().min(1).meta({
    description: 'Grows with every change, also by a reaction. `If-Match: "VERSION"` is refused once it is another one',
  }),
});
export type MessageView = z.output<typeof messageView>;

/** @throws INTERNAL when the message is not a whole one */
export function toMessageView(message: Message): MessageView {
  const { messageId, roomId, sequence, memberId, text, replyToId, reactions, createdAt, editedAt, deletedAt, version } = message;
  if (!createdAt) throw internal('INTERNAL', 'a message without a time');
  return {
    id: messageId,
    roomId,
    sequence,
    ...(memberId === '' ? {} : { memberId }),
    ...(deletedAt ? {} : { text }),
    ...(replyToId === undefined ? {} : { replyToId }),
    reactions: reactions.map(({ emoji, memberIds }) => ({ emoji, memberIds })),
    createdAt: createdAt.toISOString(),
    ...(editedAt ? { editedAt: editedAt.toISOString() } : {}),
    ...(deletedAt ? { deletedAt: deletedAt.toISOString() } : {}),
    version,
  };
}

/**
 * The ID of a message that can be said again: made of the key that its author has given it (`Idempotency-Key`, or `ref` on the socket), so that a
 * repeat is the same message. No member names one of another's so, nor one of another room.
 */
export const messageIdOf = (memberId: string, roomId: string, key: string): string =>
  idMadeOf(`musubi/messages/${memberId}/${roomId}/${key}`);
