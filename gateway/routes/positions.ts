import { z } from 'zod';
import { type Permission, permissions, positionName } from '#platform/validation/position-fields.ts';
import { type Permission as PermissionMessage, Reach } from '#proto/musubi/position/v1/position.ts';
import { commandRoute, type Reader } from '../commands/route.ts';
import type { RequestGateway } from '../gateway.ts';
import { seenOf } from '../http/authorize.ts';
import { etagHeader } from '../http/etag.ts';
import { idOf, namedIdOf } from '../id.ts';
import { group } from './groups/group-view.ts';
import { positionSchema, readPosition } from './position-view.ts';
import { HIDDEN_GROUP, requireReadableGroup } from './readable.ts';

const groupId = { groupId: namedIdOf('group') };
const positionId = { ...groupId, positionId: idOf('position') };
const bound = { ...positionId, memberId: idOf('member') };
const one = { description: 'The position', schema: positionSchema, headers: etagHeader };
/** What every change of a group's positions may be refused for, but one that only takes away. */
const CHANGING = ['GROUP_ARCHIVED', 'GROUP_BUSY'] as const;
/** Who may do it is said of the group. */
const ofGroup = ({ groupId }: { groupId: string }) => group(groupId);

const until = z.iso
  .datetime({ offset: true })
  .nullish()
  .meta({
    description:
      'When the member is let go again, also if it is the last that leads the group: in the future, and at most ten years away. Absent or null: never',
    examples: ['2027-03-31T15:00:00Z'],
  });

const messagesOf = (permissions: readonly Permission[]): PermissionMessage[] =>
  permissions.map(({ action, reach }) => ({ action, reach: reach === 'subtree' ? Reach.REACH_SUBTREE : Reach.REACH_HERE }));

const createPosition = commandRoute({
  command: 'position.create',
  method: 'POST',
  path: '/v1/groups/{groupId}/positions',
  tag: 'Positions',
  operationId: 'createPosition',
  summary: 'Make a position of a group',
  description:
    'Nobody is bound to it yet. Who is no administrator has it permit only what it may do there itself, as far as it may.',
  params: groupId,
  resource: ofGroup,
  ...HIDDEN_GROUP,
  body: z.strictObject({ name: positionName, permissions }).meta({
    id: 'NewPosition',
    examples: [{ name: 'Treasurer', permissions: [{ action: 'group.update', reach: 'here' }] }],
  }),
  input: ({ id, params, body: { name, permissions } }) => ({
    ...{ groupId: params.groupId, positionId: id, name },
    permissions: messagesOf(permissions),
  }),
  about: ({ params }) => `Make a position of group ${params.groupId}`,
  responses: { 201: { ...one, description: 'The position is made', headers: { ...etagHeader, Location: 'The position' } } },
  problems: ['INVALID_POSITION', 'NAME_TAKEN', 'TOO_MANY_POSITIONS', 'EXCEEDS_OWN_PERMISSIONS', ...CHANGING],
  async answer(id, gateway, reader, { groupId }) {
    const { body, headers } = await readPositionFor(gateway, { groupId, positionId: id }, reader);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/groups/${groupId}/positions/${id}` } };
  },
});

const updatePosition = commandRoute({
  command: 'position.update',
  method: 'PATCH',
  path: '/v1/groups/{groupId}/positions/{positionId}',
  tag: 'Positions',
  operationId: 'updatePosition',
  summary: 'Change a position of a group',
  description:
    'What it permits holds at once for all who are bound to it. Who is no administrator has it permit nothing more that it may not do there itself, for as long as they are bound, and takes from the leaders only what it may do there itself, and only if it leads the group, or one that it is in, both for as long as they lead it. From leaders of whom there are none nobody loses anything.',
  params: positionId,
  resource: ofGroup,
  ...HIDDEN_GROUP,
  body: z
    .strictObject({ name: positionName.optional(), permissions: permissions.optional() })
    .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
      error: 'must change at least one field',
      params: { code: 'REQUIRED' },
    })
    .meta({
      id: 'PositionChanges',
      description: 'What is absent stays as it is.',
      minProperties: 1,
      examples: [{ name: 'Secretary' }],
    }),
  conditional: true,
  aggregateId: ({ positionId }) => positionId,
  input: ({ id, params, body: { name, permissions }, version, byMemberId }) => ({
    ...{ groupId: params.groupId, positionId: id, byMemberId, ...version },
    changes: { ...(name === undefined ? {} : { name }), ...(permissions ? { permissions: messagesOf(permissions) } : {}) },
  }),
  about: ({ params, body }) => `Change ${Object.keys(body).join(', ')} of position ${params.positionId}`,
  responses: { 200: { ...one, description: 'The position as it is now' } },
  problems: ['INVALID_POSITION', 'NAME_TAKEN', 'EXCEEDS_OWN_PERMISSIONS', 'POSITION_BUSY', ...CHANGING],
  answer: (id, gateway, reader, { groupId }) => readPositionFor(gateway, { groupId, positionId: id }, reader),
});

const deletePosition = commandRoute({
  command: 'position.delete',
  method: 'DELETE',
  path: '/v1/groups/{groupId}/positions/{positionId}',
  tag: 'Positions',
  operationId: 'deletePosition',
  summary: 'Delete a position of a group',
  description: 'Those that every group has stay, and so does one to which members are bound.',
  params: positionId,
  resource: ofGroup,
  ...HIDDEN_GROUP,
  conditional: true,
  aggregateId: ({ positionId }) => positionId,
  input: ({ id, params, version }) => ({ groupId: params.groupId, positionId: id, ...version }),
  about: ({ params }) => `Delete position ${params.positionId}`,
  responses: { 204: { description: 'The position is gone' } },
  problems: ['BUILT_IN', 'POSITION_IN_USE', 'POSITION_BUSY', ...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const bindPosition = commandRoute({
  command: 'position.bind',
  method: 'PUT',
  path: '/v1/groups/{groupId}/positions/{positionId}/members/{memberId}',
  tag: 'Positions',
  operationId: 'bindPosition',
  summary: 'Bind a member of a group to one of its positions',
  description:
    'Who is no administrator binds others, and itself, only to positions that permit nothing beyond what it may do there itself, and for no longer than it may. A member that is bound to it already keeps it for the term that is given here, or without end where that is none: for longer, that is given like a new binding; for less long, it is taken away, which needs `position.unbind`, and is refused where by that the group would be led less long than now.',
  params: bound,
  resource: ofGroup,
  ...HIDDEN_GROUP,
  body: z
    .strictObject({ until })
    .meta({ id: 'PositionTerm', description: 'For how long it is bound', examples: [{ until: '2027-03-31T15:00:00Z' }] })
    .optional(),
  aggregateId: ({ groupId }) => groupId,
  input: ({ id, params: { positionId, memberId }, body, byMemberId }) => ({
    ...{ groupId: id, positionId, memberId, byMemberId },
    ...(body?.until ? { until: new Date(body.until).toISOString() } : {}),
  }),
  about: ({ params }) => `Bind member ${params.memberId} to position ${params.positionId}`,
  responses: { 204: { description: 'The member is bound to it' } },
  problems: [
    'BUILT_IN',
    'NOT_MEMBER',
    'MEMBER_DELETING',
    'TOO_MANY_BINDINGS',
    'LAST_LEADER',
    'EXCEEDS_OWN_PERMISSIONS',
    'POSITION_BUSY',
    ...CHANGING,
  ],
  answer: async () => ({ status: 204 as const }),
});

const unbindPosition = commandRoute({
  command: 'position.unbind',
  method: 'DELETE',
  path: '/v1/groups/{groupId}/positions/{positionId}/members/{memberId}',
  tag: 'Positions',
  operationId: 'unbindPosition',
  summary: 'Let a member go from a position of a group',
  description:
    'The last one who leads the group stays until another one does, for as long as it would: who is suspended, or leads by a shorter term, is none. Nothing happens to a member that is not bound to it. It is done in an archived group, too.',
  params: bound,
  resource: ofGroup,
  ...HIDDEN_GROUP,
  aggregateId: ({ groupId }) => groupId,
  input: ({ id, params: { positionId, memberId } }) => ({ groupId: id, positionId, memberId }),
  about: ({ params }) => `Let member ${params.memberId} go from position ${params.positionId}`,
  responses: { 204: { description: 'The member is not bound to it' } },
  problems: ['BUILT_IN', 'LAST_LEADER', 'MEMBER_DELETING', 'POSITION_BUSY'],
  answer: async () => ({ status: 204 as const }),
});

async function readPositionFor(
  gateway: RequestGateway,
  { groupId, positionId }: { groupId: string; positionId: string },
  reader: Reader,
) {
  const [seen] = await Promise.all([
    seenOf(gateway, reader, 'position.list', 'Group', groupId),
    requireReadableGroup(gateway, reader.accessToken, groupId),
  ]);
  return await readPosition(gateway, groupId, positionId, seen);
}

export const positionCommandRoutes = [createPosition, updatePosition, deletePosition, bindPosition, unbindPosition];
