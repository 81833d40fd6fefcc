import { etagHeader } from '../../http/etag.ts';
import { pageOf, paging } from '../../http/paging.ts';
import { route } from '../../http/route.ts';
import { idOf } from '../../id.ts';
import { readRoom, room, roomPageSchema, roomSchema, roomShown } from './room-view.ts';

const listRooms = route({
  method: 'GET',
  path: '/v1/rooms',
  tag: 'Rooms',
  operationId: 'listRooms',
  summary: 'The rooms that you are in',
  action: 'room.list',
  resource: () => room(''),
  query: paging,
  responses: { 200: { description: 'A page of rooms', schema: roomPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal: { memberId }, query: { pageSize, pageToken = '' } }, gateway) {
    const { rooms, nextPageToken } = await gateway.query.listRooms({ memberId, pageSize, pageToken });
    return pageOf(rooms.map(roomShown), nextPageToken);
  },
});

const getRoom = route({
  method: 'GET',
  path: '/v1/rooms/{roomId}',
  tag: 'Rooms',
  operationId: 'getRoom',
  summary: 'A room that you are in',
  action: 'room.read',
  params: { roomId: idOf('room') },
  resource: ({ params }) => room(params.roomId),
  responses: { 200: { description: 'The room', schema: roomSchema, headers: etagHeader } },
  handle: ({ params: { roomId }, principal: { memberId } }, gateway) => readRoom(gateway, roomId, memberId),
});

export const roomQueryRoutes = [listRooms, getRoom];
