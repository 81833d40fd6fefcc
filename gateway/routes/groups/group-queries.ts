import { searchQuery } from '#platform/validation/fields.ts';
import { DEEPEST, groupTag } from '#platform/validation/group-fields.ts';
import { GROUP_LIST, GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import { MOST_OF_A_TREE } from '#platform/validation/tree-fields.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { RequestGateway } from '../../gateway.ts';
import { isAllowed, seenOf, seenOrNone } from '../../http/authorize.ts';
import { listing, pageOf, wholeNumber } from '../../http/paging.ts';
import { type Call, route, SEES_ALL } from '../../http/route.ts';
import { idOf, namedIdOf } from '../../id.ts';
import { member } from '../member-view.ts';
import { HIDDEN_GROUP, requireReadable, requireReadableGroup } from '../readable.ts';
import { groupMemberPageSchema, groupMembersShown } from './group-member-view.ts';
import { group, groupPageSchema, groupShown } from './group-view.ts';

const groupId = { groupId: namedIdOf('group') };
/** A tag by which a list is narrowed. */
const wantedTag = (description: string) => groupTag.optional().meta({ description, examples: ['sales'] });
const page = { description: 'A page of groups', schema: groupPageSchema };

const listGroups = route({
  method: 'GET',
  path: '/v1/groups',
  tag: 'Groups',
  operationId: 'listGroups',
  summary: 'List groups, by name or in another order',
  description:
    'Where words are looked for: first the groups of whose name words begin with them, then the others, each by name: there `orderBy` is refused.',
  action: 'group.list',
  filtered: true,
  resource: () => group(''),
  query: {
    query: searchQuery.optional().meta({ description: 'Words to find in the name', examples: ['開発', 'kyoto office'] }),
    tag: wantedTag('Only those on which a tag of this name is, or that have one in their own set'),
    memberId: idOf('member').optional().meta({
      description:
        'Only those that this member is in; where it is not yourself, and of which you may see the members (`group.list-members`)',
    }),
    ...listing(GROUP_LIST),
  },
  responses: { 200: page },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal, accessToken, ctx, query: asked }, gateway) {
    const { query = '', tag = '', memberId: ofMemberId = '', filter = '', orderBy = '', pageSize, pageToken = '' } = asked;
    const { memberId, seen } = principal;
    const reading = { accessToken, action: 'member.read' as const, resource: member(ofMemberId) };
    const [isSeen, membersSeen] =
      ofMemberId === ''
        ? [true, undefined]
        : await Promise.all([
            isAllowed(gateway, reading),
            whereMembersAreSeen(gateway, { principal, accessToken, ctx }, ofMemberId),
          ]);
    // Of one that is not seen, as of one that is not there, nobody learns where it is.
    if (!isSeen) return pageOf([], '');
    const request = { query, tag, ofMemberId, membersSeen, filter, orderBy, pageSize, pageToken, memberId, seen };
    const { groups, nextPageToken } = await gateway.query.listGroups(request);
    return pageOf(groups.map(groupShown), nextPageToken);
  },
});

/** Of which groups a member may know that another one is in them: of those of which it may list the members. What it is in itself, it knows. */
async function whereMembersAreSeen(
  gateway: RequestGateway,
  { principal, accessToken, ctx }: Pick<Call, 'principal' | 'accessToken' | 'ctx'>,
  ofMemberId: string,
): Promise<Condition | undefined> {
  if (principal.memberId === ofMemberId) return SEES_ALL;
  return await seenOrNone(gateway, { accessToken, ctx }, 'group.list-members', 'Group');
}

const listMemberGroups = route({
  method: 'GET',
  path: '/v1/members/{memberId}/groups',
  tag: 'Groups',
  operationId: 'listMemberGroups',
  summary: 'The groups that a member is in, by name or in another order',
  description:
    'Those that you may see; where it is not yourself, of them those of which you may see the members (`group.list-members`).',
  action: 'group.list',
  filtered: true,
  params: { memberId: idOf('member') },
  resource: () => group(''),
  query: listing(GROUP_LIST),
  responses: { 200: page },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { memberId: ofMemberId }, principal, accessToken, ctx, query: asked }, gateway) {
    const { filter = '', orderBy = '', pageSize, pageToken = '' } = asked;
    const { memberId, seen } = principal;
    const reading = { action: 'member.read' as const, resource: member(ofMemberId) };
    const [membersSeen] = await Promise.all([
      whereMembersAreSeen(gateway, { principal, accessToken, ctx }, ofMemberId),
      requireReadable(gateway, accessToken, reading, 'MEMBER_NOT_FOUND'),
    ]);
    const request = { query: '', tag: '', ofMemberId, membersSeen, filter, orderBy, pageSize, pageToken, memberId, seen };
    const { groups, nextPageToken } = await gateway.query.listGroups(request);
    if (groups.length === 0 && pageToken === '') await gateway.query.getMember({ memberId: ofMemberId, seen: SEES_ALL });
    return pageOf(groups.map(groupShown), nextPageToken);
  },
});

const listSubgroups = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/subgroups',
  tag: 'Groups',
  operationId: 'listSubgroups',
  summary: 'The groups below one, the nearest first, then by name or in another order',
  description:
    'Those right below it, or down to a depth: below `root` with the greatest depth, the whole tree. None comes before the group that it is in, whatever `orderBy` says of those that are as far below. A filter shows some of them only, also below those that it does not show. A page may have fewer than were asked for, where they would be too large.',
  action: 'group.list',
  filtered: true,
  params: groupId,
  resource: () => group(''),
  query: {
    ...listing(GROUP_LIST),
    pageSize: wholeNumber(MOST_OF_A_TREE, 20, 'How many at most'),
    tag: wantedTag('Only those on which a tag of this name is, of the set of the group that each is in'),
    depth: wholeNumber(DEEPEST, 1, 'How far below; 1: right below it'),
  },
  responses: { 200: page },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params, principal: { memberId, seen }, accessToken, query: asked }, gateway) {
    const { tag = '', depth, filter = '', orderBy = '', pageSize, pageToken = '' } = asked;
    await requireReadableGroup(gateway, accessToken, params.groupId);
    const request = { ...params, tag, depth, filter, orderBy, pageSize, pageToken, memberId, seen };
    const { groups, nextPageToken } = await gateway.query.listSubgroups(request);
    return pageOf(groups.map(groupShown), nextPageToken);
  },
});

const listAncestors = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/ancestors',
  tag: 'Groups',
  operationId: 'listAncestors',
  summary: 'The groups that one is in, from the whole organisation down',
  action: 'group.list',
  filtered: true,
  params: groupId,
  resource: () => group(''),
  responses: { 200: { ...page, description: 'All of them: no group has more than a page' } },
  async handle({ params, principal: { memberId, seen }, accessToken }, gateway) {
    await requireReadableGroup(gateway, accessToken, params.groupId);
    const { groups } = await gateway.query.listAncestors({ ...params, memberId, seen });
    return pageOf(groups.map(groupShown), '');
  },
});

const listGroupMembers = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/members',
  tag: 'Groups',
  operationId: 'listGroupMembers',
  summary: 'Who is in a group, by name or in another order, and what they are there',
  description: 'Of its members, those that you may see (`member.list`).',
  action: 'group.list-members',
  ...HIDDEN_GROUP,
  params: groupId,
  resource: ({ params }) => group(params.groupId),
  query: {
    tag: wantedTag("Only those on whom a tag of this name is, of the group's own set"),
    positionId: namedIdOf('position').optional().meta({ description: 'Only those who hold this position of the group' }),
    ...listing(GROUP_MEMBER_LIST),
  },
  responses: { 200: { description: 'A page of members', schema: groupMemberPageSchema } },
  problems: ['POSITION_NOT_FOUND', 'PAGE_TOKEN_INVALID'],
  async handle({ params, principal: { memberId }, accessToken, ctx, query: asked }, gateway) {
    const { tag = '', positionId = '', filter = '', orderBy = '', pageSize, pageToken = '' } = asked;
    const [seen] = await Promise.all([
      seenOf(gateway, { accessToken, ctx }, 'member.list', 'Member'),
      requireReadableGroup(gateway, accessToken, params.groupId),
    ]);
    const request = { ...params, tag, positionId, filter, orderBy, pageSize, pageToken, memberId, seen };
    const { members, nextPageToken } = await gateway.query.listGroupMembers(request);
    return pageOf(await groupMembersShown(accessToken, gateway, members), nextPageToken);
  },
});

export const groupQueryRoutes = [listGroups, listMemberGroups, listSubgroups, listAncestors, listGroupMembers];
