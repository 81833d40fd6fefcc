import { z } from 'zod';
import { permissionDenied } from '#platform/errors.ts';
import { groupDescription, groupName, groupTags, groupVisibility, ROOT } from '#platform/validation/group-fields.ts';
import { commandRoute } from '../../commands/route.ts';
import type { Gateway } from '../../gateway.ts';
import { isAllowed, namedNotFound } from '../../http/authorize.ts';
import { etagHeader } from '../../http/etag.ts';
import { namedIdOf } from '../../id.ts';
import { HIDDEN_GROUP } from '../readable.ts';
import { group, groupSchema, readGroup } from './group-view.ts';

// Groups themselves: how they are made, changed, moved and deleted.

const groupId = { groupId: namedIdOf('group') };
const one = { description: 'The group', schema: groupSchema, headers: etagHeader };
const parentId = namedIdOf('group').meta({ description: 'The group that it is in; `root`: the whole organisation' });

const VISIBILITIES = {
  open: 'VISIBILITY_OPEN',
  request: 'VISIBILITY_REQUEST',
  invitation: 'VISIBILITY_INVITATION',
} as const;

/** What a change of a group that exists may be refused for. */
const CHANGING = ['GROUP_BUSY', 'ROOT_GROUP'] as const;
/** The same, where something comes into a group. */
const COMING = ['GROUP_ARCHIVED', 'GROUP_TOO_DEEP', 'TOO_MANY_SUBGROUPS', 'NAME_TAKEN'] as const;

/** What a route of a group that exists has. */
const ofOne = {
  tag: 'Groups',
  params: groupId,
  resource: ({ groupId }: { groupId: string }) => group(groupId),
  ...HIDDEN_GROUP,
  conditional: true,
  aggregateId: ({ groupId }: { groupId: string }) => groupId,
} as const;

const createGroup = commandRoute({
  command: 'group.create',
  method: 'POST',
  path: '/v1/groups',
  tag: 'Groups',
  operationId: 'createGroup',
  summary: 'Make a group',
  description:
    'Who makes it is in it and leads it. The permission is needed in the group that it is to be in: right in the whole organisation everybody has it at first.',
  namedInBody: 'parentId',
  resource: (_, { parentId = ROOT }) => group(parentId),
  ...HIDDEN_GROUP,
  body: z
    .strictObject({
      name: groupName,
      parentId: parentId.optional(),
      description: groupDescription.optional(),
      visibility: groupVisibility.optional(),
      tags: groupTags.optional(),
    })
    .meta({
      id: 'NewGroup',
      description: 'Without `parentId` it is right in the whole organisation; without `visibility` it is open.',
      examples: [{ name: 'Kyoto office', description: 'Whoever works in Kyoto', visibility: 'request', tags: ['sales'] }],
    }),
  input: ({ id, body: { name, parentId = ROOT, description = '', visibility = 'open', tags = [] }, byMemberId: creatorId }) => ({
    ...{ groupId: id, parentId, name, description, visibility: VISIBILITIES[visibility], tags, creatorId },
  }),
  about: ({ body: { parentId = ROOT } }) => `Make a group in group ${parentId}`,
  responses: { 201: { ...one, description: 'The group is made', headers: { ...etagHeader, Location: 'The group' } } },
  problems: [
    'INVALID_GROUP',
    'GROUP_BUSY',
    ...COMING,
    'TOO_MANY_GROUPS',
    'TOO_MANY_BINDINGS',
    'MEMBER_NOT_FOUND',
    'MEMBER_DELETING',
  ],
  async answer(id, gateway, reader) {
    const { body, headers } = await readGroup(gateway, id, reader);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/groups/${id}` } };
  },
});

const updateGroup = commandRoute({
  ...ofOne,
  command: 'group.update',
  method: 'PATCH',
  path: '/v1/groups/{groupId}',
  operationId: 'updateGroup',
  summary: 'Change a group',
  description: 'The visibility of the whole organisation stays as it is: everybody is in it.',
  body: z
    .strictObject({
      name: groupName.optional(),
      description: groupDescription.optional(),
      visibility: groupVisibility.optional(),
    })
    .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
      error: 'must change at least one field',
      params: { code: 'REQUIRED' },
    })
    .meta({ id: 'GroupChanges', description: 'What is absent stays as it is.', minProperties: 1, examples: [{ name: 'Nara' }] }),
  input: ({ id, body: { visibility, ...names }, version }) => ({
    groupId: id,
    changes: { ...names, ...(visibility ? { visibility: VISIBILITIES[visibility] } : {}) },
    ...version,
  }),
  about: ({ params, body }) => `Change ${Object.keys(body).join(', ')} of group ${params.groupId}`,
  responses: { 200: { ...one, description: 'The group as it is now' } },
  problems: ['INVALID_GROUP', 'NAME_TAKEN', 'GROUP_ARCHIVED', ...CHANGING],
  answer: (id, gateway, reader) => readGroup(gateway, id, reader),
});

const moveGroup = commandRoute({
  ...ofOne,
  command: 'group.move',
  method: 'POST',
  path: '/v1/groups/{groupId}:move',
  operationId: 'moveGroup',
  summary: 'Move a group into another one',
  description:
    'It goes with all that is below it. Where it comes to be, the member must be allowed to make groups. Who leads what it is in then leads it, too, so who is no administrator must hold in it what that permits, and what its own leaders and those of the groups below it may do, and hold that without end.',
  body: z.strictObject({ parentId }).meta({ id: 'GroupMove', examples: [{ parentId: 'root' }] }),
  prepare: ({ parentId }, gateway, { accessToken }) => requireMayCreateIn(gateway, accessToken, parentId),
  input: ({ id, body: { parentId }, version, byMemberId }) => ({ groupId: id, parentId, byMemberId, ...version }),
  about: ({ params, body }) => `Move group ${params.groupId} into group ${body.parentId}`,
  responses: { 200: { ...one, description: 'The group, which is where it was to be' } },
  problems: ['GROUP_CYCLE', ...COMING, 'EXCEEDS_OWN_PERMISSIONS', ...CHANGING],
  answer: (id, gateway, reader) => readGroup(gateway, id, reader),
});

/** @throws PERMISSION_DENIED, or GROUP_NOT_FOUND where the member may not even read it */
async function requireMayCreateIn(gateway: Pick<Gateway, 'auth'>, accessToken: string, parentId: string): Promise<undefined> {
  const resource = group(parentId);
  if (await isAllowed(gateway, { accessToken, action: 'group.create', resource })) return undefined;
  if (await isAllowed(gateway, { accessToken, action: HIDDEN_GROUP.readBy, resource }))
    throw permissionDenied('PERMISSION_DENIED', 'no policy permits to put a group there');
  throw namedNotFound(HIDDEN_GROUP.hiddenAs, 'parentId');
}

const archiveGroup = commandRoute({
  ...ofOne,
  command: 'group.archive',
  method: 'POST',
  path: '/v1/groups/{groupId}:archive',
  operationId: 'archiveGroup',
  summary: 'Archive a group',
  description:
    'Nothing is changed in it any more, nor in what is below it, which who is no administrator must be allowed to archive, too, until it is restored.',
  input: ({ id, version }) => ({ groupId: id, ...version }),
  about: ({ params }) => `Archive group ${params.groupId}`,
  responses: { 200: { ...one, description: 'The group, which is archived' } },
  problems: ['GROUP_ARCHIVED', 'EXCEEDS_OWN_PERMISSIONS', ...CHANGING],
  answer: (id, gateway, reader) => readGroup(gateway, id, reader),
});

const restoreGroup = commandRoute({
  ...ofOne,
  command: 'group.restore',
  method: 'POST',
  path: '/v1/groups/{groupId}:restore',
  operationId: 'restoreGroup',
  summary: 'Take a group out of the archive',
  input: ({ id, version }) => ({ groupId: id, ...version }),
  about: ({ params }) => `Restore group ${params.groupId}`,
  responses: { 200: { ...one, description: 'The group, which is not archived any more' } },
  problems: ['GROUP_NOT_ARCHIVED', ...CHANGING],
  answer: (id, gateway, reader) => readGroup(gateway, id, reader),
});

const deleteGroup = commandRoute({
  ...ofOne,
  command: 'group.delete',
  method: 'DELETE',
  path: '/v1/groups/{groupId}',
  operationId: 'deleteGroup',
  summary: 'Delete a group',
  description: 'Nobody is anything in it any more at once; then what is in it is removed, of which the job says how far it is.',
  query: {
    cascade: z.enum(['true', 'false']).optional().meta({
      description:
        '`true`: with all groups that are below it, which who is no administrator must be allowed to delete, too; default: `false`',
    }),
  },
  input: ({ id, query: { cascade }, version }) => ({ groupId: id, cascade: cascade === 'true', ...version }),
  about: ({ params }) => `Delete group ${params.groupId}`,
  responses: { 204: { description: 'The group is gone, and nobody is in it' } },
  problems: ['GROUP_NOT_EMPTY', 'EXCEEDS_OWN_PERMISSIONS', ...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

export const groupRoutes = [createGroup, updateGroup, deleteGroup, moveGroup, archiveGroup, restoreGroup];
