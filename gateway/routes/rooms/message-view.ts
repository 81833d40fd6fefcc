import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import type { Message } from '#proto/musubi/chat/v1/chat.ts';
import { tagged } from '../../http/etag.ts';
import { EXAMPLE_ID } from '../../id.ts';
import { iso } from '../time.ts';

// How messages are shown.

const sequence = z.int().min(1);

const MEMBER = '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40';

export const messageSchema = z
  .strictObject({
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
  })
  .meta({
    id: 'Message',
    examples: [
      {
        id: EXAMPLE_ID,
        roomId: '019ed1c7-3b1a-7f02-8c44-0d9e5a6b7c81',
        sequence: 12,
        memberId: MEMBER,
        text: 'スイカは誰が持ってくる?',
        reactions: [{ emoji: '🍉', memberIds: [MEMBER] }],
        createdAt: '2026-11-25T09:30:00.000Z',
        version: 2,
      },
    ],
  });

const gapSchema = z.strictObject({ first: sequence, last: sequence });

export const messagePageSchema = z
  .strictObject({
    items: z.array(messageSchema),
    gaps: z.array(gapSchema).meta({
      description:
        'The numbers between the ends of the page that no message has, in the order of `items`: the store had lost what it may have given them to, so they are given to nothing else. Mostly there are none',
    }),
    nextPageToken: z.string().optional().meta({ description: 'Absent on the last page' }),
  })
  .meta({
    id: 'MessagePage',
    examples: [
      {
        items: messageSchema.meta()?.examples ?? [],
        gaps: [{ first: 2, last: 11 }],
        nextPageToken: 'WyJlTkY4b1ciLCLoirHlrZAiXQ',
      },
    ],
  });

type Shown = z.output<typeof messageSchema>;

export function messageShown(message: Message): Shown {
  const { messageId, roomId, sequence, memberId, text, replyToId, reactions, createdAt, editedAt, deletedAt, version } = message;
  return {
    id: messageId,
    roomId,
    sequence,
    ...(memberId === '' ? {} : { memberId }),
    ...(deletedAt ? {} : { text }),
    ...(replyToId === undefined ? {} : { replyToId }),
    reactions: reactions.map(({ emoji, memberIds }) => ({ emoji, memberIds })),
    createdAt: iso(createdAt),
    ...(editedAt ? { editedAt: iso(editedAt) } : {}),
    ...(deletedAt ? { deletedAt: iso(deletedAt) } : {}),
    version,
  };
}

/** The answer that shows a message. */
export function messageAnswer(message: Message | undefined) {
  if (!message) throw internal('INTERNAL', 'Chat answered without a message');
  return tagged(message.version, messageShown(message));
}
