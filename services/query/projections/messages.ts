import { z } from 'zod';
import { defineProjection, int64 } from './projection.ts';
import { rooms } from './rooms.ts';

const id = z.string().min(1);
const time = z.iso.datetime({ offset: true });

/** message.events → messages: all that was said in rooms, also what was deleted and has its place still. May come before the room itself. */
export const messages = defineProjection({
  aggregateType: 'message',
  table: 'messages',
  within: { of: rooms, by: 'room_id' },
  payload: {
    message: z
      .object({
        roomId: id,
        sequence: int64,
        memberId: z.string().default(''),
        text: z.string().default(''),
        replyToId: id.optional(),
        reactions: z.array(z.object({ emoji: id, memberIds: z.array(id).default([]) })).default([]),
        createdAt: time,
        editedAt: time.optional(),
        deletedAt: time.optional(),
      })
      .optional(),
  },
  columns: {
    room_id: 'text',
    sequence: 'bigint',
    member_id: 'text',
    text: 'text',
    reply_to_id: 'text',
    reactions: 'jsonb',
    people: 'text[]',
    created_at: 'timestamptz',
    edited_at: 'timestamptz',
    deleted_at: 'timestamptz',
  },
  row: ({ message }) =>
    message && {
      room_id: message.roomId,
      sequence: message.sequence,
      member_id: message.memberId,
      text: message.text,
      reply_to_id: message.replyToId,
      reactions: message.reactions,
      people: peopleOf(message),
      created_at: message.createdAt,
      edited_at: message.editedAt,
      deleted_at: message.deletedAt,
    },
});

const peopleOf = ({ memberId, reactions }: { memberId: string; reactions: readonly { memberIds: readonly string[] }[] }) => [
  ...new Set([memberId, ...reactions.flatMap(({ memberIds }) => memberIds)].filter((one) => one !== '')),
];
