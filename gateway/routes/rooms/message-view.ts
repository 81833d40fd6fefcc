import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { messageView, toMessageView } from '#platform/message-view.ts';
import type { Message } from '#proto/musubi/chat/v1/chat.ts';
import { tagged } from '../../http/etag.ts';
import { EXAMPLE_ID } from '../../id.ts';

// How messages are shown.

const MEMBER = '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40';

export const messageSchema = messageView.meta({
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

const sequence = z.int().min(1);
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

/** The answer that shows a message. */
export function messageAnswer(message: Message | undefined) {
  if (!message) throw internal('INTERNAL', 'Chat answered without a message');
  return tagged(message.version, toMessageView(message));
}
