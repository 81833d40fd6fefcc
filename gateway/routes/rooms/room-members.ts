import { commandRoute } from '../../commands/route.ts';
import { claimedSubject } from '../../http/authorize.ts';
import { pageOf, paging } from '../../http/paging.ts';
import { route } from '../../http/route.ts';
import { idOf } from '../../id.ts';
import { requireReadableMember } from '../readable.ts';
import { room, roomMemberPageSchema, roomMemberShown } from './room-view.ts';

// Who is in a room.

const roomId = { roomId: idOf('room') };
const ofMember = { ...roomId, memberId: idOf('member') };
const resource = ({ roomId }: { roomId: string }) => room(roomId);
const aggregateId = ({ roomId }: { roomId: string }): string => roomId;

const addRoomMember = commandRoute({
  command: 'room.add-member',
  method: 'PUT',
  path: '/v1/rooms/{roomId}/members/{memberId}',
  tag: 'Rooms',
  operationId: 'addRoomMember',
  summary: 'Add a member to a room',
  description:
    'Who owns the room may. The member reads all that was said in it before. Whom you may not read (`member.read`) is answered as if there was no such member.',
  params: ofMember,
  resource,
  aggregateId,
  prepare: async (_, gateway, { params: { memberId }, ...call }) => {
    if (claimedSubject(call.accessToken) !== memberId) await requireReadableMember(gateway, call, memberId);
  },
  input: ({ id, params: { memberId }, byMemberId }) => ({ roomId: id, byMemberId, memberId }),
  about: ({ params }) => `Add member ${params.memberId} to room ${params.roomId}`,
  responses: { 204: { description: 'The member is in the room' } },
  problems: ['NOT_ROOM_OWNER', 'DIRECT_ROOM', 'ALREADY_IN_ROOM', 'TOO_MANY_ROOM_MEMBERS', 'TOO_MANY_ROOMS', 'ROOM_BUSY'],
  answer: async () => ({ status: 204 as const }),
});

const removeRoomMember = commandRoute({
  command: 'room.remove-member',
  method: 'DELETE',
  path: '/v1/rooms/{roomId}/members/{memberId}',
  tag: 'Rooms',
  operationId: 'removeRoomMember',
  summary: 'Leave a room, or remove a member from it',
  description:
    'Who is the member of the path leaves; another one is removed by who owns the room. Where the last owner goes, who has been in it for longest owns it, and with the last member the room goes. What was said stays.',
  params: ofMember,
  resource,
  aggregateId,
  input: ({ id, params: { memberId }, byMemberId }) => ({ roomId: id, byMemberId, memberId }),
  about: ({ params }) => `Remove member ${params.memberId} from room ${params.roomId}`,
  responses: { 204: { description: 'The member is not in the room' } },
  problems: ['NOT_ROOM_OWNER', 'DIRECT_ROOM', 'NOT_IN_ROOM', 'ROOM_BUSY'],
  answer: async () => ({ status: 204 as const }),
});

const listRoomMembers = route({
  method: 'GET',
  path: '/v1/rooms/{roomId}/members',
  tag: 'Rooms',
  operationId: 'listRoomMembers',
  summary: 'Who is in a room, by when they came',
  action: 'room.read',
  params: roomId,
  resource: ({ params }) => room(params.roomId),
  query: paging,
  responses: { 200: { description: 'A page of those who are in it', schema: roomMemberPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { roomId }, principal: { memberId }, query: { pageSize, pageToken = '' } }, gateway) {
    const { members, nextPageToken } = await gateway.query.listRoomMembers({ roomId, memberId, pageSize, pageToken });
    return pageOf(members.map(roomMemberShown), nextPageToken);
  },
});

export const roomMemberRoutes = [addRoomMember, removeRoomMember, listRoomMembers];
