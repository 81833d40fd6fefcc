import { z } from 'zod';
import { messageIdOf, toMessageView } from '#platform/message-view.ts';
import { idempotencyKey } from '#platform/validation/fields.ts';
import { newId } from '#platform/validation/id.ts';
import { fromPageToken, toPageToken } from '#platform/validation/page-token.ts';
import { emoji, LONGEST_MESSAGE, messageText } from '#platform/validation/room-fields.ts';
import { repeatableHeaders } from '../../commands/carry-out.ts';
import type { RequestGateway } from '../../gateway.ts';
import type { BodyLimit } from '../../http/body.ts';
import { etagHeader, expectedVersion, ifMatch } from '../../http/etag.ts';
import { paging } from '../../http/paging.ts';
import { type Call, route } from '../../http/route.ts';
import { EXAMPLE_ID, idOf } from '../../id.ts';
import { newerMessages, olderMessages } from './history.ts';
import { messageAnswer, messagePageSchema, messageSchema } from './message-view.ts';
import { room } from './room-view.ts';

// What is said in rooms. It is no job: it is answered once it is durable.

const roomId = { roomId: idOf('room') };
const ofMessage = { ...roomId, messageId: idOf('message') };
const ofReaction = {
  ...ofMessage,
  emoji: emoji.meta({ description: 'One emoji, percent-encoded, as Unicode recommends it for general interchange (UTS #51)' }),
};
const resource = ({ params }: { params: { roomId: string } }) => room(params.roomId);
const one = { description: 'The message as it is now', schema: messageSchema, headers: etagHeader };

/** Of each character, where JSON writes it in escapes, 12 bytes; and something around them. */
const BODY: BodyLimit = { bytes: 12 * LONGEST_MESSAGE + 1_024, values: 10 };

const postMessage = route({
  method: 'POST',
  path: '/v1/rooms/{roomId}/messages',
  tag: 'Rooms',
  operationId: 'postMessage',
  summary: 'Say something in a room',
  description: 'It is kept once it is answered, and in the history that is read next. To its author it counts as read.',
  action: 'room.post',
  params: roomId,
  resource,
  headers: {
    'Idempotency-Key': idempotencyKey.optional().meta({
      description:
        'Makes a repeat safe: the same key of the same member in the same room is the same message, which is answered as it is now. Where another text was said with it, it is refused (IDEMPOTENCY_KEY_REUSED)',
    }),
  },
  body: z
    .strictObject({
      text: messageText,
      replyToId: idOf('message').optional().meta({ description: 'The message of the same room that it answers' }),
    })
    .meta({ id: 'NewMessage', examples: [{ text: 'Who brings the watermelon?' }, { text: 'I do', replyToId: EXAMPLE_ID }] }),
  bodyLimit: BODY,
  responses: { 201: { ...one, description: 'It is said', headers: { ...etagHeader, Location: 'The message' } } },
  problems: ['INVALID_MESSAGE', 'MESSAGE_NOT_FOUND', 'IDEMPOTENCY_KEY_REUSED', 'TOO_MANY_MESSAGES'],
  async handle({ params: { roomId }, principal: { memberId }, headers, body: { text, replyToId } }, { lasting: { chat } }) {
    const key = headers['Idempotency-Key'];
    const messageId = key === undefined ? newId() : messageIdOf(memberId, roomId, key);
    const { message } = await chat.postMessage({ roomId, memberId, messageId, text, replyToId });
    const { body, headers: tag } = messageAnswer(message);
    return { status: 201 as const, body, headers: { ...tag, Location: `/v1/rooms/${roomId}/messages/${body.id}` } };
  },
});

const listMessages = route({
  method: 'GET',
  path: '/v1/rooms/{roomId}/messages',
  tag: 'Rooms',
  operationId: 'listMessages',
  summary: 'What was said in a room, the newest first, or after a message the oldest first',
  description:
    'All that was acknowledged is in it. Deleted messages have their place in it, without a text; `gaps` has the numbers that no message has.',
  action: 'room.read',
  params: roomId,
  resource,
  query: {
    after: z
      .string()
      .regex(/^-?\d{1,15}$/, 'must be a whole number')
      .transform(Number)
      .pipe(z.int().min(0))
      .optional()
      .meta({
        description: 'Only the messages after this `sequence`, the oldest first; 0: from the first on',
        override: { type: 'integer', minimum: 0, pattern: undefined, examples: [12] },
      }),
    ...paging,
  },
  responses: { 200: { description: 'A page of messages', schema: messagePageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { roomId }, principal: { memberId }, query: { after, pageSize, pageToken = '' } }, gateway) {
    const list = ['messages', roomId, after ?? 'all'];
    const [end] = fromPageToken(list, pageToken, z.tuple([z.int().min(1)])) ?? [];
    const asked = { roomId, memberId, limit: pageSize };
    const { messages, gaps, next } =
      after === undefined
        ? await olderMessages(gateway, { ...asked, before: end })
        : await newerMessages(gateway, { ...asked, after: end ?? after });
    const more = next === undefined ? {} : { nextPageToken: toPageToken(list, [next]) };
    return { status: 200 as const, body: { items: messages.map(toMessageView), gaps, ...more } };
  },
});

const getMessage = route({
  method: 'GET',
  path: '/v1/rooms/{roomId}/messages/{messageId}',
  tag: 'Rooms',
  operationId: 'getMessage',
  summary: 'A message',
  description: 'Of one that was deleted, what is left of it.',
  action: 'room.read',
  params: ofMessage,
  resource,
  responses: { 200: one },
  problems: ['MESSAGE_NOT_FOUND'],
  handle: async ({ params, principal: { memberId } }, { lasting: { chat } }) =>
    messageAnswer((await chat.getMessage({ ...params, memberId })).message),
});

const editMessage = route({
  method: 'PATCH',
  path: '/v1/rooms/{roomId}/messages/{messageId}',
  tag: 'Rooms',
  operationId: 'editMessage',
  summary: 'Say it in other words',
  description: 'Who said it may.',
  action: 'room.post',
  params: ofMessage,
  resource,
  headers: { ...repeatableHeaders, 'If-Match': ifMatch },
  body: z.strictObject({ text: messageText }).meta({ id: 'MessageChanges', examples: [{ text: 'Who brings two watermelons?' }] }),
  bodyLimit: BODY,
  responses: { 200: one },
  problems: ['INVALID_MESSAGE', 'NOT_AUTHOR', 'VERSION_MISMATCH', 'TOO_MANY_MESSAGES'],
  async handle({ params, principal: { memberId }, headers, body: { text } }, { lasting: { chat } }) {
    const version = expectedVersion(headers['If-Match']);
    return messageAnswer((await chat.editMessage({ ...params, memberId, text, expectedVersion: version })).message);
  },
});

const deleteMessage = route({
  method: 'DELETE',
  path: '/v1/rooms/{roomId}/messages/{messageId}',
  tag: 'Rooms',
  operationId: 'deleteMessage',
  summary: 'Take back what was said',
  description: 'Who said it may, and who owns the room. Its place in the history stays, without a text.',
  action: 'room.post',
  params: ofMessage,
  resource,
  headers: { ...repeatableHeaders, 'If-Match': ifMatch },
  responses: { 200: { ...one, description: 'What is left of it' } },
  problems: ['NOT_AUTHOR', 'VERSION_MISMATCH', 'TOO_MANY_MESSAGES'],
  async handle({ params, principal: { memberId }, headers }, { lasting: { chat } }) {
    const version = expectedVersion(headers['If-Match']);
    return messageAnswer((await chat.deleteMessage({ ...params, memberId, expectedVersion: version })).message);
  },
});

/** What both routes of reactions have. */
const reacting = {
  path: '/v1/rooms/{roomId}/messages/{messageId}/reactions/{emoji}',
  tag: 'Rooms',
  action: 'room.post',
  params: ofReaction,
  fieldsInPath: ['emoji'],
  resource,
  headers: repeatableHeaders,
  responses: { 200: one },
} as const;

type OfReaction = Pick<Call<typeof ofReaction>, 'params' | 'principal'>;
const react = async ({ params, principal: { memberId } }: OfReaction, { lasting }: RequestGateway, remove: boolean) =>
  messageAnswer((await lasting.chat.react({ ...params, memberId, remove })).message);

const addReaction = route({
  ...reacting,
  method: 'PUT',
  operationId: 'addReaction',
  summary: 'Put an emoji on a message',
  description: 'One of yours that is on it stays where it is.',
  problems: ['INVALID_EMOJI', 'TOO_MANY_REACTIONS', 'TOO_MANY_MESSAGES'],
  handle: (call, gateway) => react(call, gateway, false),
});

const removeReaction = route({
  ...reacting,
  method: 'DELETE',
  operationId: 'removeReaction',
  summary: 'Take your emoji away from a message',
  problems: ['INVALID_EMOJI', 'TOO_MANY_MESSAGES'],
  handle: (call, gateway) => react(call, gateway, true),
});

export const messageRoutes = [postMessage, listMessages, getMessage, editMessage, deleteMessage, addReaction, removeReaction];
