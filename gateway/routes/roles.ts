import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { roleDescription, roleName } from '#platform/validation/access-fields.ts';
import { commandRoute, type Reader } from '../commands/route.ts';
import type { RequestGateway } from '../gateway.ts';
import { seenOf } from '../http/authorize.ts';
import { etagHeader, tagged } from '../http/etag.ts';
import { pageOf, paging } from '../http/paging.ts';
import { type Principal, route } from '../http/route.ts';
import { namedIdOf } from '../id.ts';
import { rolePageSchema, roleSchema, roleShown } from './role-view.ts';

const roleId = { roleId: namedIdOf('role') };
const attached = { ...roleId, policyId: namedIdOf('policy') };
const one = { description: 'The role', schema: roleSchema, headers: etagHeader };
const role = (id: string) => ({ type: 'Role', id });

/** What a change of a role that exists may be refused for. */
const CHANGING = ['ROLE_BUSY', 'BUILT_IN', 'EXCEEDS_OWN_PERMISSIONS'] as const;

const createRole = commandRoute({
  command: 'role.create',
  method: 'POST',
  path: '/v1/roles',
  tag: 'Roles',
  operationId: 'createRole',
  summary: 'Make a role',
  description: 'It permits nothing until it carries policies.',
  resource: () => role(''),
  body: z.strictObject({ name: roleName, description: roleDescription.optional() }).meta({
    id: 'NewRole',
    examples: [{ name: 'Editor', description: 'May change what others wrote' }],
  }),
  input: ({ id, body: { name, description = '' } }) => ({ roleId: id, name, description }),
  about: () => 'Make a role',
  responses: { 201: { ...one, description: 'The role is made', headers: { ...etagHeader, Location: 'The role' } } },
  problems: ['INVALID_ROLE', 'NAME_TAKEN'],
  async answer(id, gateway, reader) {
    const { body, headers } = await readRoleFor(gateway, id, reader);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/roles/${id}` } };
  },
});

const updateRole = commandRoute({
  command: 'role.update',
  method: 'PATCH',
  path: '/v1/roles/{roleId}',
  tag: 'Roles',
  operationId: 'updateRole',
  summary: 'Change a role',
  params: roleId,
  resource: ({ roleId }) => role(roleId),
  body: z
    .strictObject({ name: roleName.optional(), description: roleDescription.optional() })
    .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
      error: 'must change at least one field',
      params: { code: 'REQUIRED' },
    })
    .meta({ id: 'RoleChanges', description: 'What is absent stays as it is.', minProperties: 1, examples: [{ name: 'Author' }] }),
  conditional: true,
  aggregateId: ({ roleId }) => roleId,
  input: ({ id, body, version }) => ({ roleId: id, changes: body, ...version }),
  about: ({ params, body }) => `Change ${Object.keys(body).join(', ')} of role ${params.roleId}`,
  responses: { 200: { ...one, description: 'The role as it is now' } },
  problems: ['INVALID_ROLE', 'NAME_TAKEN', ...CHANGING],
  answer: (id, gateway, reader) => readRoleFor(gateway, id, reader),
});

const deleteRole = commandRoute({
  command: 'role.delete',
  method: 'DELETE',
  path: '/v1/roles/{roleId}',
  tag: 'Roles',
  operationId: 'deleteRole',
  summary: 'Delete a role',
  description: 'Whoever holds it loses what it permits at once; then it is taken from each.',
  params: roleId,
  resource: ({ roleId }) => role(roleId),
  conditional: true,
  aggregateId: ({ roleId }) => roleId,
  input: ({ id, version }) => ({ roleId: id, ...version }),
  about: ({ params }) => `Delete role ${params.roleId}`,
  responses: { 204: { description: 'The role is gone, and nobody holds it' } },
  problems: [...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const attachPolicy = commandRoute({
  command: 'role.attach-policy',
  method: 'PUT',
  path: '/v1/roles/{roleId}/policies/{policyId}',
  tag: 'Roles',
  operationId: 'attachPolicy',
  summary: 'Have a role carry a policy',
  description: 'It holds for all who hold the role at once. Who is no administrator attaches only policies that apply to itself.',
  params: attached,
  resource: ({ roleId }) => role(roleId),
  conditional: true,
  aggregateId: ({ roleId }) => roleId,
  input: ({ id, params: { policyId }, version }) => ({ roleId: id, policyId, ...version }),
  about: ({ params }) => `Attach policy ${params.policyId} to role ${params.roleId}`,
  responses: { 200: { ...one, description: 'The role as it is now' } },
  problems: [
    'ALREADY_ATTACHED',
    'TOO_MANY_POLICIES',
    'POLICY_BUSY',
    'INVALID_POLICY',
    'POLICY_NOT_LISTABLE',
    'LAST_ADMIN',
    ...CHANGING,
  ],
  answer: (id, gateway, reader) => readRoleFor(gateway, id, reader),
});

const detachPolicy = commandRoute({
  command: 'role.detach-policy',
  method: 'DELETE',
  path: '/v1/roles/{roleId}/policies/{policyId}',
  tag: 'Roles',
  operationId: 'detachPolicy',
  summary: 'Have a role not carry a policy any more',
  params: attached,
  resource: ({ roleId }) => role(roleId),
  conditional: true,
  aggregateId: ({ roleId }) => roleId,
  input: ({ id, params: { policyId }, version }) => ({ roleId: id, policyId, ...version }),
  about: ({ params }) => `Detach policy ${params.policyId} from role ${params.roleId}`,
  responses: { 204: { description: 'The role carries it no more' } },
  problems: ['NOT_ATTACHED', 'POLICY_BUSY', ...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const listRoles = route({
  method: 'GET',
  path: '/v1/roles',
  tag: 'Roles',
  operationId: 'listRoles',
  summary: 'List roles, by name',
  action: 'role.list',
  filtered: true,
  resource: () => role(''),
  query: paging,
  responses: { 200: { description: 'A page of roles', schema: rolePageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal: { seen }, query: { pageSize, pageToken = '' } }, gateway) {
    const { roles, nextPageToken } = await gateway.query.listRoles({ pageSize, pageToken, seen, memberId: '' });
    return pageOf(roles.map(roleShown), nextPageToken);
  },
});

const getRole = route({
  method: 'GET',
  path: '/v1/roles/{roleId}',
  tag: 'Roles',
  operationId: 'getRole',
  summary: 'A role',
  action: 'role.read',
  filtered: true,
  params: roleId,
  resource: ({ params }) => role(params.roleId),
  hiddenAs: 'ROLE_NOT_FOUND',
  responses: { 200: one },
  handle: ({ params, principal: { seen } }, gateway) => readRole(gateway, params.roleId, seen),
});

const readRoleFor = async (gateway: RequestGateway, id: string, reader: Reader) =>
  await readRole(gateway, id, await seenOf(gateway, reader, 'role.read', 'Role', id));

async function readRole(gateway: RequestGateway, roleId: string, seen: Principal['seen']) {
  const { role } = await gateway.query.getRole({ roleId, seen });
  if (!role) throw internal('INTERNAL', 'Query answered without a role');
  const body = roleShown(role);
  return tagged(role.version, body);
}

export const roleRoutes = [createRole, listRoles, getRole, updateRole, deleteRole, attachPolicy, detachPolicy];
