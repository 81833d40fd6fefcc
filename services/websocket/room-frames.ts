import { z } from 'zod';
import { type MessageView, messageView } from '#platform/message-view.ts';
import { roomTopic } from './domain.ts';
import { cursor, topic } from './frame-fields.ts';

// What is said in the topic of a room, to all who are in it.

const ROOM_ID = '0199a7c2-4410-7d05-9c31-8f27e1b6a052';
const MEMBER_ID = '0199a7bf-11d2-7c08-8e55-90b3a6f4d217';
const TOPIC = roomTopic(ROOM_ID);
const CURSOR = '1790000000000-0';
const MESSAGE: MessageView = {
  id: '0199a7c2-9b02-7e4a-8a17-2c5d6e7f8091',
  roomId: ROOM_ID,
  sequence: 12,
  memberId: MEMBER_ID,
  text: 'Who brings the watermelon?',
  reactions: [],
  createdAt: '2026-09-21T14:13:20.000Z',
  version: 1,
};

const roomId = z.string().meta({ description: "The topic's room" });
const version = z.int().meta({ description: 'It grows with each change of the room, and of who is in it.' });

export const roomFrames = {
  message: z
    .strictObject({
      type: z.literal('message'),
      topic,
      cursor,
      change: z
        .enum(['updated', 'deleted'])
        .optional()
        .meta({ description: 'What has become of one that was said before; absent: it is new' }),
      roomId,
      message: messageView,
    })
    .meta({
      description:
        'A message was said in the room; or it has other words, other reactions or no author any more (`updated`), or was taken back (`deleted`). It is as the REST API shows it. Messages come in the order of their `sequence`.',
      examples: [
        { type: 'message', topic: TOPIC, cursor: CURSOR, roomId: ROOM_ID, message: MESSAGE },
        {
          ...{ type: 'message', topic: TOPIC, cursor: CURSOR, change: 'updated', roomId: ROOM_ID },
          message: { ...MESSAGE, text: 'Who brings two?', editedAt: '2026-09-21T14:15:00.000Z', version: 2 },
        },
      ],
    }),
  room: z.strictObject({ type: z.literal('room'), topic, cursor, change: z.enum(['updated', 'deleted']), roomId, version }).meta({
    description:
      'The room has another name, or others are in it (`updated`): read it by REST. Of one that is gone you may hear `deleted` before `unsubscribed`.',
    examples: [{ type: 'room', topic: TOPIC, cursor: CURSOR, change: 'updated', roomId: ROOM_ID, version: 4 }],
  }),
  'room-member': z
    .strictObject({
      type: z.literal('room-member'),
      topic,
      cursor,
      change: z.enum(['changed', 'ended']),
      roomId,
      memberId: z.string(),
      version,
    })
    .meta({
      description: 'A member came into the room, or owns it now (`changed`); or it is not in it any more (`ended`).',
      examples: [
        {
          ...{ type: 'room-member', topic: TOPIC, cursor: CURSOR, change: 'changed' },
          ...{ roomId: ROOM_ID, memberId: MEMBER_ID, version: 4 },
        },
      ],
    }),
};
