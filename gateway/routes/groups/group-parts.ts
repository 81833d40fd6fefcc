import { z } from 'zod';
import { internal, permissionDenied } from '#platform/errors.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { type GetGroupResponse, GroupPart } from '#proto/musubi/query/v1/query.ts';
import type { RequestGateway } from '../../gateway.ts';
import { isAllowed, isDenied, SEES_NONE, seenOf } from '../../http/authorize.ts';
import { etagHeader, tagged } from '../../http/etag.ts';
import { pageOf } from '../../http/paging.ts';
import { type Call, route } from '../../http/route.ts';
import { namedIdOf } from '../../id.ts';
import { positionPageSchema, positionShown } from '../position-view.ts';
import { groupMemberPageSchema, groupMembersShown } from './group-member-view.ts';
import { group, groupPageSchema, groupSchema, groupShown } from './group-view.ts';

// A group with what is about it, in one request.

const PARTS = {
  members: GroupPart.GROUP_PART_MEMBERS,
  positions: GroupPart.GROUP_PART_POSITIONS,
  ancestors: GroupPart.GROUP_PART_ANCESTORS,
  subgroups: GroupPart.GROUP_PART_SUBGROUPS,
} as const;
type Part = keyof typeof PARTS;
const NAME = Object.keys(PARTS).join('|');

const include = z
  .string()
  .max(100)
  .regex(new RegExp(`^(?:${NAME})(?:,(?:${NAME}))*$`), `must be some of ${Object.keys(PARTS).join(', ')}, with commas between`)
  .optional()
  .meta({
    description: 'What else to show of it, with commas between: of each the first page, which its own list continues',
    examples: ['members,positions'],
  });
const partsOf = (names: string): Part[] => Object.keys(PARTS).filter((part): part is Part => names.split(',').includes(part));

/** The lists of which parts are the first pages. */
const parts = {
  members: groupMemberPageSchema.optional(),
  positions: positionPageSchema.optional(),
  ancestors: groupPageSchema.optional().meta({ description: 'From the whole organisation down' }),
  subgroups: groupPageSchema.optional().meta({ description: 'Those right below it' }),
};

const examplesOf = (schema: z.ZodType) => (schema.meta()?.examples ?? []) as object[];
const [members, positions] = [groupMemberPageSchema, positionPageSchema].flatMap((page) => examplesOf(page).slice(0, 1));

const schema = z.strictObject({ ...groupSchema.shape, ...parts }).meta({
  id: 'GroupWithParts',
  examples: examplesOf(groupSchema).flatMap((one) => [one, { ...one, members, positions }]),
});

/** What a part needs, besides that the group may be read. */
const NEEDED: Partial<Record<Part, Action>> = { members: 'group.list-members', positions: 'position.list' };

const getGroup = route({
  method: 'GET',
  path: '/v1/groups/{groupId}',
  tag: 'Groups',
  operationId: 'getGroup',
  summary: 'A group',
  description:
    'Parts need what their lists need: members `group.list-members` and `member.list`, positions `position.list`, ancestors and subgroups `group.list`.',
  action: 'group.read',
  filtered: true,
  params: { groupId: namedIdOf('group') },
  resource: ({ params }) => group(params.groupId),
  hiddenAs: 'GROUP_NOT_FOUND',
  query: { include },
  responses: { 200: { description: 'The group', schema, headers: etagHeader } },
  problems: ['PERMISSION_DENIED'],
  async handle({ params: { groupId }, query, principal: { memberId, seen }, accessToken, ctx }, gateway) {
    const include = partsOf(query.include ?? '');
    const [seenGroups, seenMembers] = await Promise.all([
      seenAround(gateway, { accessToken, ctx }, include),
      include.includes('members') ? seenOf(gateway, { accessToken, ctx }, 'member.list', 'Member') : SEES_NONE,
      ...include.map((part) => requirePart(gateway, accessToken, groupId, part)),
    ]);
    const request = { groupId, memberId, seen, seenGroups, seenMembers, include: include.map((part) => PARTS[part]) };
    const found = await gateway.query.getGroup(request);
    if (!found.group) throw internal('INTERNAL', 'Query answered without a group');
    const body = { ...groupShown(found.group), ...(await partsShown(accessToken, gateway, found)) };
    return tagged(found.group.version, body);
  },
});

/** Which groups above and below it are seen: where these are parts, they may not be listed for nothing. */
async function seenAround(gateway: RequestGateway, call: Pick<Call, 'accessToken' | 'ctx'>, include: readonly Part[]) {
  try {
    return await seenOf(gateway, call, 'group.list', 'Group');
  } catch (error) {
    if (isDenied(error) && !include.some((part) => part === 'ancestors' || part === 'subgroups')) return SEES_NONE;
    throw error;
  }
}

/** @throws PERMISSION_DENIED */
async function requirePart(gateway: RequestGateway, accessToken: string, groupId: string, part: Part): Promise<void> {
  const action = NEEDED[part];
  if (action && !(await isAllowed(gateway, { accessToken, action, resource: group(groupId) })))
    throw permissionDenied('PERMISSION_DENIED', `you may not see its ${part}: it needs the permission ${action}`);
}

async function partsShown(
  accessToken: string,
  gateway: RequestGateway,
  { members, positions, ancestors, subgroups }: GetGroupResponse,
) {
  const listed = <Item>(items: Item[], nextPageToken: string) => pageOf(items, nextPageToken).body;
  return {
    ...(members && {
      members: listed(await groupMembersShown(accessToken, gateway, members.members), members.nextPageToken),
    }),
    ...(positions && { positions: listed(positions.positions.map(positionShown), positions.nextPageToken) }),
    ...(ancestors && { ancestors: listed(ancestors.groups.map(groupShown), '') }),
    ...(subgroups && { subgroups: listed(subgroups.groups.map(groupShown), subgroups.nextPageToken) }),
  };
}

export const groupPartRoutes = [getGroup];
