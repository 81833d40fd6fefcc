import { z } from 'zod';
import { notFound } from '#platform/errors.ts';
import { groupTag, SAME_NAME } from '#platform/validation/group-fields.ts';
import { commandRoute } from '../../commands/route.ts';
import type { Gateway, RequestGateway } from '../../gateway.ts';
import { isAllowed } from '../../http/authorize.ts';
import { etagHeader } from '../../http/etag.ts';
import { idOf, namedIdOf } from '../../id.ts';
import { HIDDEN_GROUP } from '../readable.ts';
import { group, groupSchema, readGroup } from './group-view.ts';

// Tags: the set of a group's own, and what carries them. A tag is named by its name, in the path.

const tag = groupTag.meta({
  description: `The name of the tag, percent-encoded, a slash as \`%2F\` and a colon as \`%3A\`; ${SAME_NAME}`,
});
const ofTag = { groupId: namedIdOf('group'), tag };
const onSubgroup = { ...ofTag, subgroupId: namedIdOf('group') };
const onMember = { ...ofTag, memberId: idOf('member') };

const ofAny = {
  tag: 'Groups',
  resource: ({ groupId }: { groupId: string }) => group(groupId),
  ...HIDDEN_GROUP,
  fieldsInPath: ['tag'],
} as const;
const done = async () => ({ status: 204 as const });

const CHANGING = ['INVALID_GROUP', 'GROUP_ARCHIVED', 'GROUP_BUSY'] as const;

/** What a route of a group's own set has. */
const ofSet = {
  ...ofAny,
  command: 'group.change-tags',
  params: ofTag,
  aggregateId: ({ groupId }: { groupId: string }) => groupId,
} as const;

const putTag = commandRoute({
  ...ofSet,
  method: 'PUT',
  path: '/v1/groups/{groupId}/tags/{tag}',
  operationId: 'putTag',
  summary: "Put a tag into a group's own set",
  description: 'One that is in it already stays as it is.',
  input: ({ id, params: { tag } }) => ({ groupId: id, change: 'TAGS_CHANGE_PUT', tag }),
  about: ({ params }) => `Put a tag into the set of group ${params.groupId}`,
  responses: { 204: { description: 'The tag is in the set' } },
  problems: [...CHANGING, 'TOO_MANY_TAGS'],
  answer: done,
});

const removeTag = commandRoute({
  ...ofSet,
  method: 'DELETE',
  path: '/v1/groups/{groupId}/tags/{tag}',
  operationId: 'removeTag',
  summary: "Remove a tag from a group's own set",
  description: 'It is on nothing any more at once. One of the same name that is put into the set later is another one.',
  input: ({ id, params: { tag } }) => ({ groupId: id, change: 'TAGS_CHANGE_REMOVE', tag }),
  about: ({ params }) => `Remove a tag from the set of group ${params.groupId}`,
  responses: { 204: { description: 'There is no such tag in the set' } },
  problems: [...CHANGING],
  answer: done,
});

const renameTag = commandRoute({
  ...ofSet,
  method: 'POST',
  path: '/v1/groups/{groupId}/tags/{tag}:rename',
  operationId: 'renameTag',
  summary: 'Rename a tag, or make it one with another',
  description:
    'It has its new name at once on all that it is on. Where another tag of the set has that name, nothing is done unless `merge` is true: then the two become one, which is on all that either was on.',
  body: z
    .strictObject({
      name: groupTag,
      merge: z
        .boolean()
        .optional()
        .meta({ description: 'Whether it becomes one with the tag that has this name; without it, it does not' }),
    })
    .meta({ id: 'TagRename', examples: [{ name: 'Sales' }, { name: 'Sales', merge: true }] }),
  input: ({ id, params: { tag }, body }) => ({ groupId: id, change: 'TAGS_CHANGE_RENAME', tag, ...body }),
  about: ({ params }) => `Rename a tag of group ${params.groupId}`,
  responses: { 200: { description: 'The group as it is now', schema: groupSchema, headers: etagHeader } },
  problems: [...CHANGING, 'TAG_EXISTS', 'TOO_MANY_TAGS'],
  answer: (id, gateway, reader) => readGroup(gateway, id, reader),
});

/** Who may not read a group does not learn by a tag where it is. @throws GROUP_NOT_FOUND */
async function requireSeen(gateway: Gateway | RequestGateway, accessToken: string, subgroupId: string): Promise<void> {
  const reading = { accessToken, action: HIDDEN_GROUP.readBy, resource: group(subgroupId) };
  if (!(await isAllowed(gateway, reading))) throw notFound(HIDDEN_GROUP.hiddenAs);
}

/** What a route of a tag on a subgroup has. */
const ofSubgroup = {
  ...ofAny,
  command: 'group.tag',
  params: onSubgroup,
  aggregateId: ({ subgroupId }: { subgroupId: string }) => subgroupId,
  prepare: (
    _: unknown,
    gateway: Gateway | RequestGateway,
    { accessToken, params: { subgroupId } }: { accessToken: string; params: { subgroupId: string } },
  ) => requireSeen(gateway, accessToken, subgroupId),
  problems: [...CHANGING, 'ROOT_GROUP', 'NOT_SUBGROUP', 'TOO_MANY_TAGS'],
} as const;

const tagGroup = commandRoute({
  ...ofSubgroup,
  method: 'PUT',
  path: '/v1/groups/{groupId}/tags/{tag}/groups/{subgroupId}',
  operationId: 'tagGroup',
  summary: 'Put a tag of a group on a group right below it',
  description: 'Nothing happens where it is on it already. It goes when the group is moved elsewhere.',
  input: ({ id, params: { groupId, tag } }) => ({ groupId, tag, isOn: true, subgroupId: id }),
  about: ({ params }) => `Put a tag of group ${params.groupId} on group ${params.subgroupId}`,
  responses: { 204: { description: 'The tag is on the group' } },
  answer: done,
});

const untagGroup = commandRoute({
  ...ofSubgroup,
  method: 'DELETE',
  path: '/v1/groups/{groupId}/tags/{tag}/groups/{subgroupId}',
  operationId: 'untagGroup',
  summary: 'Take a tag of a group off a group right below it',
  description: 'Nothing happens where it is not on it.',
  input: ({ id, params: { groupId, tag } }) => ({ groupId, tag, isOn: false, subgroupId: id }),
  about: ({ params }) => `Take a tag of group ${params.groupId} off group ${params.subgroupId}`,
  responses: { 204: { description: 'The tag is not on the group' } },
  answer: done,
});

/** What a route of a tag on a member has. */
const ofMember = {
  ...ofAny,
  command: 'group.tag',
  params: onMember,
  aggregateId: ({ memberId }: { memberId: string }) => memberId,
  problems: [...CHANGING, 'NOT_MEMBER', 'MEMBER_DELETING', 'MEMBERSHIP_BUSY', 'TOO_MANY_TAGS'],
} as const;

const tagMember = commandRoute({
  ...ofMember,
  method: 'PUT',
  path: '/v1/groups/{groupId}/tags/{tag}/members/{memberId}',
  operationId: 'tagMember',
  summary: 'Put a tag of a group on a member in it',
  description: 'Nothing happens where it is on it already. It goes when the member does.',
  input: ({ id, params: { groupId, tag } }) => ({ groupId, tag, isOn: true, memberId: id }),
  about: ({ params }) => `Put a tag of group ${params.groupId} on member ${params.memberId}`,
  responses: { 204: { description: 'The tag is on the member' } },
  answer: done,
});

const untagMember = commandRoute({
  ...ofMember,
  method: 'DELETE',
  path: '/v1/groups/{groupId}/tags/{tag}/members/{memberId}',
  operationId: 'untagMember',
  summary: 'Take a tag of a group off a member in it',
  description: 'Nothing happens where it is not on it.',
  input: ({ id, params: { groupId, tag } }) => ({ groupId, tag, isOn: false, memberId: id }),
  about: ({ params }) => `Take a tag of group ${params.groupId} off member ${params.memberId}`,
  responses: { 204: { description: 'The tag is not on the member' } },
  answer: done,
});

export const groupTagRoutes = [putTag, removeTag, renameTag, tagGroup, untagGroup, tagMember, untagMember];
