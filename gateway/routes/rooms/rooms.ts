import { z } from 'zod';
import { invalidFields } from '#platform/errors.ts';
import { DIRECT_MEMBERS, MOST_FIRST_MEMBERS, roomName } from '#platform/validation/room-fields.ts';
import { commandRoute } from '../../commands/route.ts';
import { claimedSubject } from '../../http/authorize.ts';
import { etagHeader } from '../../http/etag.ts';
import type { Call } from '../../http/route.ts';
import { distinctIds, EXAMPLE_ID, idOf } from '../../id.ts';
import { requireReadableMember, requireReadableMembers } from '../readable.ts';
import { directRoomId, readRoomFor, room, roomSchema } from './room-view.ts';

const roomId = { roomId: idOf('room') };
const one = { description: 'The room', schema: roomSchema, headers: etagHeader };
const found = {
  description: 'The room, which is there',
  schema: roomSchema,
  headers: { ...etagHeader, 'Content-Location': 'The room' },
};
const NOBODY_ELSE = 'Whom you may not read (`member.read`) is answered as if there was no such member.';

/** Others than who asks: who that is, Auth has verified before this is asked. @throws INVALID_ARGUMENT */
function requireOthers({ accessToken }: Pick<Call, 'accessToken'>, memberIds: readonly string[], field?: 'memberId'): void {
  const at = memberIds.indexOf(claimedSubject(accessToken));
  if (at < 0) return;
  const what = { code: 'INVALID', message: 'must be another member than yourself' } as const;
  throw invalidFields([field ? { in: 'path', field, ...what } : { in: 'body', field: `memberIds[${at}]`, ...what }]);
}

const createRoom = commandRoute({
  command: 'room.create',
  method: 'POST',
  path: '/v1/rooms',
  tag: 'Rooms',
  operationId: 'createRoom',
  summary: 'Make a room',
  description: `You own it, and are in it with those who are named; others see nothing of it. ${NOBODY_ELSE}`,
  resource: () => room(''),
  body: z
    .strictObject({
      name: roomName,
      memberIds: distinctIds('member', 0, MOST_FIRST_MEMBERS)
        .optional()
        .meta({ description: 'Who is in it from the beginning beside you, each once', uniqueItems: true }),
    })
    .meta({ id: 'NewRoom', examples: [{ name: 'Summer party', memberIds: [EXAMPLE_ID] }] }),
  prepare: async ({ memberIds = [] }, gateway, call) => {
    requireOthers(call, memberIds);
    await requireReadableMembers(gateway, call, memberIds);
  },
  input: ({ id, byMemberId, body: { name, memberIds = [] } }) => ({ roomId: id, ownerId: byMemberId, name, memberIds }),
  about: ({ body: { memberIds = [] } }) => `Make a room of ${memberIds.length + 1} members`,
  responses: { 201: { ...one, description: 'The room is made', headers: { ...etagHeader, Location: 'The room' } } },
  problems: ['MEMBER_NOT_FOUND', 'INVALID_ROOM', 'TOO_MANY_ROOM_MEMBERS', 'TOO_MANY_ROOMS', 'ROOM_BUSY'],
  async answer(id, gateway, reader, _, { memberId }) {
    const { body, headers } = await readRoomFor(gateway, id, reader, memberId);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/rooms/${id}` } };
  },
});

/** What a command has that opens a direct room. */
const opening = {
  command: 'room.open-direct',
  tag: 'Rooms',
  resource: () => room(''),
  responses: { 200: found },
  problems: ['MEMBER_NOT_FOUND', 'INVALID_ROOM', 'TOO_MANY_ROOMS', 'ROOM_BUSY'],
} as const;
const OPENED = `There is one such room, however and by whomever it was opened, also at the same time. Nobody comes into it or goes. ${NOBODY_ELSE}`;

const openDirect = commandRoute({
  ...opening,
  method: 'PUT',
  path: '/v1/rooms/direct/{memberId}',
  operationId: 'openDirect',
  summary: 'Open the room in which you and another member talk',
  description: OPENED,
  params: { memberId: idOf('member') },
  prepare: async (_, gateway, { params: { memberId }, ...call }) => {
    requireOthers(call, [memberId], 'memberId');
    await requireReadableMember(gateway, call, memberId);
  },
  aggregateId: ({ memberId }, byMemberId) => directRoomId([byMemberId, memberId]),
  input: ({ id, byMemberId, params: { memberId } }) => ({ roomId: id, memberIds: [byMemberId, memberId].toSorted() }),
  about: ({ params }) => `Open the direct room with member ${params.memberId}`,
  answer: async (id, gateway, reader, _, { memberId }) => located(await readRoomFor(gateway, id, reader, memberId)),
});

const openDirectOfSeveral = commandRoute({
  ...opening,
  method: 'POST',
  path: '/v1/rooms/direct',
  operationId: 'openDirectOfSeveral',
  summary: 'Open the room in which exactly you and these members talk',
  description: OPENED,
  body: z
    .strictObject({
      memberIds: distinctIds('member', DIRECT_MEMBERS.least - 1, DIRECT_MEMBERS.most - 1).meta({
        description: 'The others, each once',
        uniqueItems: true,
      }),
    })
    .meta({ id: 'DirectRoom', examples: [{ memberIds: [EXAMPLE_ID, '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40'] }] }),
  prepare: async ({ memberIds }, gateway, call) => {
    requireOthers(call, memberIds);
    await requireReadableMembers(gateway, call, memberIds);
  },
  aggregateId: (_, byMemberId, { memberIds }) => directRoomId([byMemberId, ...memberIds]),
  input: ({ id, byMemberId, body: { memberIds } }) => ({ roomId: id, memberIds: [byMemberId, ...memberIds].toSorted() }),
  about: ({ body: { memberIds } }) => `Open the direct room of ${memberIds.length + 1} members`,
  answer: async (id, gateway, reader, _, { memberId }) => located(await readRoomFor(gateway, id, reader, memberId)),
});

/** Where it is, as the path that was asked does not say it. */
const located = <A extends { body: { id: string }; headers: Record<string, string> }>(answer: A) => ({
  ...answer,
  headers: { ...answer.headers, 'Content-Location': `/v1/rooms/${answer.body.id}` },
});

const updateRoom = commandRoute({
  command: 'room.update',
  method: 'PATCH',
  path: '/v1/rooms/{roomId}',
  tag: 'Rooms',
  operationId: 'updateRoom',
  summary: 'Rename a room',
  description: 'Who owns it may, and no direct one has a name.',
  params: roomId,
  resource: ({ roomId }) => room(roomId),
  body: z.strictObject({ name: roomName }).meta({ id: 'RoomChanges', examples: [{ name: 'Autumn party' }] }),
  conditional: true,
  aggregateId: ({ roomId }) => roomId,
  input: ({ id, byMemberId, body: { name }, version }) => ({ roomId: id, byMemberId, name, ...version }),
  about: ({ params }) => `Rename room ${params.roomId}`,
  responses: { 200: { ...one, description: 'The room as it is now' } },
  problems: ['INVALID_ROOM', 'NOT_ROOM_OWNER', 'DIRECT_ROOM', 'ROOM_BUSY'],
  answer: (id, gateway, reader, _, { memberId }) => readRoomFor(gateway, id, reader, memberId),
});

const deleteRoom = commandRoute({
  command: 'room.delete',
  method: 'DELETE',
  path: '/v1/rooms/{roomId}',
  tag: 'Rooms',
  operationId: 'deleteRoom',
  summary: 'Delete a room, with all that was said in it',
  description: 'Who owns it may. A direct one stays.',
  params: roomId,
  resource: ({ roomId }) => room(roomId),
  conditional: true,
  aggregateId: ({ roomId }) => roomId,
  input: ({ id, byMemberId, version }) => ({ roomId: id, byMemberId, ...version }),
  about: ({ params }) => `Delete room ${params.roomId}`,
  responses: { 204: { description: 'The room is gone' } },
  problems: ['NOT_ROOM_OWNER', 'DIRECT_ROOM', 'ROOM_BUSY'],
  answer: async () => ({ status: 204 as const }),
});

export const roomRoutes = [createRoom, openDirect, openDirectOfSeveral, updateRoom, deleteRoom];
