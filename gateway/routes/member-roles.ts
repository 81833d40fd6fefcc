import { commandRoute } from '../commands/route.ts';
import { pageOf, paging } from '../http/paging.ts';
import { route, SEES_ALL } from '../http/route.ts';
import { idOf, namedIdOf } from '../id.ts';
import { member, memberPageSchema, shownTo } from './member-view.ts';
import { requireReadable } from './readable.ts';
import { rolePageSchema, roleShown } from './role-view.ts';

const memberId = { memberId: idOf('member') };
const held = { ...memberId, roleId: namedIdOf('role') };
const role = (id: string) => ({ type: 'Role', id });

const CHANGING = [
  'MEMBER_NOT_FOUND',
  'MEMBER_DELETING',
  'MEMBER_ROLES_BUSY',
  'ROLE_BUSY',
  'LAST_ADMIN',
  'EXCEEDS_OWN_PERMISSIONS',
] as const;

const assignRole = commandRoute({
  command: 'role.assign',
  method: 'PUT',
  path: '/v1/members/{memberId}/roles/{roleId}',
  tag: 'Roles',
  operationId: 'assignRole',
  summary: 'Give a member a role',
  description:
    'Of that role it must be granted. Who is no administrator gives only roles whose policies all apply to itself. Nothing happens to a member that has the role.',
  params: held,
  resource: ({ roleId }) => role(roleId),
  aggregateId: ({ memberId }) => memberId,
  input: ({ id, params: { roleId } }) => ({ memberId: id, roleId }),
  about: ({ params }) => `Give member ${params.memberId} role ${params.roleId}`,
  responses: { 204: { description: 'The member has the role' } },
  problems: ['TOO_MANY_ROLES', ...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const revokeRole = commandRoute({
  command: 'role.revoke',
  method: 'DELETE',
  path: '/v1/members/{memberId}/roles/{roleId}',
  tag: 'Roles',
  operationId: 'revokeRole',
  summary: 'Take a role from a member',
  description: 'Nothing happens to a member that does not have the role.',
  params: held,
  resource: ({ roleId }) => role(roleId),
  aggregateId: ({ memberId }) => memberId,
  input: ({ id, params: { roleId } }) => ({ memberId: id, roleId }),
  about: ({ params }) => `Take role ${params.roleId} from member ${params.memberId}`,
  responses: { 204: { description: 'The member does not have the role' } },
  problems: [...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const listMemberRoles = route({
  method: 'GET',
  path: '/v1/members/{memberId}/roles',
  tag: 'Roles',
  operationId: 'listMemberRoles',
  summary: 'The roles of a member, by name',
  action: 'role.list',
  filtered: true,
  params: memberId,
  resource: () => role(''),
  query: paging,
  responses: { 200: { description: 'A page of roles', schema: rolePageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params, principal: { seen }, accessToken, query: { pageSize, pageToken = '' } }, gateway) {
    const { memberId } = params;
    const { roles, nextPageToken } = await gateway.query.listRoles({ pageSize, pageToken, seen, memberId });
    if (roles.length === 0 && pageToken === '') {
      await requireReadable(gateway, accessToken, { action: 'member.read', resource: member(memberId) }, 'MEMBER_NOT_FOUND');
      await gateway.query.getMember({ memberId, seen: SEES_ALL });
    }
    return pageOf(roles.map(roleShown), nextPageToken);
  },
});

const listRoleMembers = route({
  method: 'GET',
  path: '/v1/roles/{roleId}/members',
  tag: 'Roles',
  operationId: 'listRoleMembers',
  summary: 'The members that hold a role, by name',
  action: 'member.list',
  filtered: true,
  params: { roleId: namedIdOf('role') },
  resource: () => ({ type: 'Member', id: '' }),
  query: paging,
  responses: { 200: { description: 'A page of members', schema: memberPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { roleId }, principal: { memberId, seen }, accessToken, query: { pageSize, pageToken = '' } }, gateway) {
    const asked = { query: '', roleId, pageSize, pageToken, memberId, seen };
    const { members, nextPageToken } = await gateway.query.listMembers(asked);
    if (members.length === 0 && pageToken === '') {
      await requireReadable(gateway, accessToken, { action: 'role.read', resource: role(roleId) }, 'ROLE_NOT_FOUND');
      await gateway.query.getRole({ roleId, seen: SEES_ALL });
    }
    const items = await shownTo(accessToken, gateway, members);
    return pageOf(items, nextPageToken);
  },
});

export const memberRoleRoutes = [assignRole, revokeRole, listMemberRoles, listRoleMembers];
