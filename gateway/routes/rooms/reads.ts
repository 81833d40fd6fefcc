import { z } from 'zod';
import { repeatableHeaders } from '../../commands/carry-out.ts';
import { route } from '../../http/route.ts';
import { EXAMPLE_ID, idOf } from '../../id.ts';
import { room } from './room-view.ts';

// Up to where members have read, and what they have not.

const roomId = { roomId: idOf('room') };
const upTo = z.int().min(1).meta({ description: 'The `sequence` of the last message that is read' });
const count = z.int().min(0).meta({ description: 'How many messages are not read' });

/** A list that has no pages. */
const listOf = <S extends z.ZodType>(item: S, id: string) =>
  z.strictObject({ items: z.array(item) }).meta({ id, examples: [{ items: item.meta()?.examples ?? [] }] });

const markRead = route({
  method: 'PUT',
  path: '/v1/rooms/{roomId}/read',
  tag: 'Rooms',
  operationId: 'markRead',
  summary: 'Say up to which message you have read',
  description: 'It never goes back: where another of your devices has read further, that is answered.',
  action: 'room.read',
  params: roomId,
  resource: ({ params }) => room(params.roomId),
  headers: repeatableHeaders,
  body: z.strictObject({ sequence: upTo }).meta({ id: 'ReadMark', examples: [{ sequence: 12 }] }),
  responses: {
    200: {
      description: 'Up to where it is read now',
      schema: z
        .strictObject({ sequence: z.int().min(0), unread: count })
        .meta({ id: 'Read', examples: [{ sequence: 12, unread: 0 }] }),
    },
  },
  problems: ['SEQUENCE_AHEAD', 'TOO_MANY_MESSAGES'],
  async handle({ params: { roomId }, principal: { memberId }, body }, { lasting: { chat } }) {
    const { sequence, unread } = await chat.markRead({ roomId, memberId, sequence: body.sequence });
    return { status: 200 as const, body: { sequence, unread } };
  },
});

const listReceipts = route({
  method: 'GET',
  path: '/v1/rooms/{roomId}/receipts',
  tag: 'Rooms',
  operationId: 'listReceipts',
  summary: 'Up to which message those in a room have read',
  description: 'All on one page. Who has not read anything is not in it.',
  action: 'room.read',
  params: roomId,
  resource: ({ params }) => room(params.roomId),
  responses: {
    200: {
      description: 'Who has read up to where',
      schema: listOf(
        z
          .strictObject({ memberId: z.uuid(), sequence: upTo })
          .meta({ id: 'Receipt', examples: [{ memberId: EXAMPLE_ID, sequence: 12 }] }),
        'Receipts',
      ),
    },
  },
  async handle({ params: { roomId }, principal: { memberId } }, { chat }) {
    const { receipts } = await chat.listReceipts({ roomId, memberId });
    return { status: 200 as const, body: { items: receipts.map(({ memberId, sequence }) => ({ memberId, sequence })) } };
  },
});

const listUnread = route({
  method: 'GET',
  path: '/v1/unread',
  tag: 'Rooms',
  operationId: 'listUnread',
  summary: 'How much you have not read, by room',
  description: 'All on one page, by the IDs of the rooms. Rooms in which you have read everything are not in it.',
  action: 'room.read',
  resource: () => room(''),
  responses: {
    200: {
      description: 'The rooms in which there is something to read',
      schema: listOf(
        z
          .strictObject({
            roomId: z.uuid(),
            unread: count,
            read: z.int().min(0).meta({ description: 'The `sequence` up to which you have read; 0: nothing' }),
            last: z.int().min(1).meta({ description: 'The `sequence` of the last message of the room' }),
          })
          .meta({ id: 'Unread', examples: [{ roomId: EXAMPLE_ID, unread: 3, read: 9, last: 12 }] }),
        'UnreadRooms',
      ),
    },
  },
  async handle({ principal: { memberId } }, { chat }) {
    const { rooms } = await chat.listUnread({ memberId });
    return {
      status: 200 as const,
      body: { items: rooms.map(({ roomId, count: unread, read, last }) => ({ roomId, unread, read, last })) },
    };
  },
});

export const readRoutes = [markRead, listReceipts, listUnread];
