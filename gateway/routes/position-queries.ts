import { POSITION_LIST } from '#platform/validation/group-lists.ts';
import { etagHeader } from '../http/etag.ts';
import { listing, pageOf } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { namedIdOf } from '../id.ts';
import { group } from './groups/group-view.ts';
import { positionPageSchema, positionSchema, positionShown, readPosition } from './position-view.ts';
import { HIDDEN_GROUP, requireReadableGroup } from './readable.ts';

const groupId = { groupId: namedIdOf('group') };

const listPositions = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/positions',
  tag: 'Positions',
  operationId: 'listPositions',
  summary: 'The positions of a group, by name or in another order',
  action: 'position.list',
  filtered: true,
  ...HIDDEN_GROUP,
  params: groupId,
  resource: ({ params }) => group(params.groupId),
  query: listing(POSITION_LIST),
  responses: { 200: { description: 'A page of positions', schema: positionPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params, principal: { seen }, accessToken, query: asked }, gateway) {
    const { filter = '', orderBy = '', pageSize, pageToken = '' } = asked;
    await requireReadableGroup(gateway, accessToken, params.groupId);
    const request = { ...params, filter, orderBy, pageSize, pageToken, seen };
    const { positions, nextPageToken } = await gateway.query.listPositions(request);
    return pageOf(positions.map(positionShown), nextPageToken);
  },
});

const getPosition = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/positions/{positionId}',
  tag: 'Positions',
  operationId: 'getPosition',
  summary: 'A position of a group',
  action: 'position.list',
  filtered: true,
  ...HIDDEN_GROUP,
  params: { ...groupId, positionId: namedIdOf('position') },
  resource: ({ params }) => group(params.groupId),
  responses: { 200: { description: 'The position', schema: positionSchema, headers: etagHeader } },
  async handle({ params: { groupId, positionId }, principal: { seen }, accessToken }, gateway) {
    await requireReadableGroup(gateway, accessToken, groupId);
    return await readPosition(gateway, groupId, positionId, seen);
  },
});

export const positionQueryRoutes = [listPositions, getPosition];
