import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { attributes, attributesPatch } from '#platform/validation/attributes.ts';
import { displayName, email, locale, loginId, password, reason, searchQuery, timeZone } from '#platform/validation/fields.ts';
import { commandRoute, type Reader } from '../commands/route.ts';
import { HASHING_TIMEOUT_MS, type RequestGateway } from '../gateway.ts';
import { seenOf } from '../http/authorize.ts';
import { etagHeader, tagged } from '../http/etag.ts';
import { pageOf, paging } from '../http/paging.ts';
import { type Principal, route } from '../http/route.ts';
import { idOf } from '../id.ts';
import { member, memberPageSchema, memberSchema, shownTo } from './member-view.ts';

const memberId = { memberId: idOf('member') };
const one = { description: 'The member', schema: memberSchema, headers: etagHeader };

const registerMember = commandRoute({
  command: 'member.register',
  method: 'POST',
  path: '/v1/members',
  tag: 'Members',
  operationId: 'registerMember',
  summary: 'Register a member',
  resource: () => ({ type: 'Member', id: '' }),
  body: z
    .strictObject({
      loginId,
      password,
      displayName,
      email,
      locale: locale.optional(),
      timeZone: timeZone.optional(),
      attributes: attributes.optional(),
    })
    .meta({
      id: 'NewMember',
      examples: [{ loginId: 'hanako', password: 'correct horse battery', displayName: '花子', email: 'hanako@example.com' }],
    }),
  secrets: ['password'],
  // It is hashed before a job is issued, which a weak one must not leave behind.
  prepare: ({ password }, { auth }) => auth.stagePassword({ password }, { timeoutMs: HASHING_TIMEOUT_MS }),
  input: ({ id, body, prepared: { passwordRef } }) => {
    const { loginId, displayName, email, locale, timeZone, attributes } = body;
    return { memberId: id, loginId, displayName, email, locale, timeZone, attributes, passwordRef };
  },
  about: () => 'Register a member',
  responses: { 201: { ...one, description: 'The member is registered', headers: { ...etagHeader, Location: 'The member' } } },
  problems: ['WEAK_PASSWORD', 'INVALID_MEMBER', 'LOGIN_TAKEN', 'PASSWORD_REF_INVALID', 'ROLE_NOT_FOUND'],
  async answer(id, gateway, reader) {
    const { body, headers } = await readMemberFor(gateway, id, reader);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/members/${id}` } };
  },
});

const updateMember = commandRoute({
  command: 'member.update',
  method: 'PATCH',
  path: '/v1/members/{memberId}',
  tag: 'Members',
  operationId: 'updateMember',
  summary: 'Change a member',
  params: memberId,
  resource: ({ memberId }) => member(memberId),
  body: z
    .strictObject({
      loginId: loginId.optional(),
      displayName: displayName.optional(),
      email: email.optional(),
      locale: locale.nullable().optional(),
      timeZone: timeZone.nullable().optional(),
      attributes: attributesPatch.nullable().optional(),
    })
    .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
      error: 'must change at least one field',
      params: { code: 'REQUIRED' },
      // What is wrong with the fields that are there comes first.
      when: ({ issues }) => issues.length === 0,
    })
    .meta({
      id: 'MemberChanges',
      description:
        'What is absent stays as it is, and what is null is removed. A member whose attributes no longer fit their schema must be mended with any change. A loginId that is given up is kept for its member for a time, and a few of them at once (30 days and three, unless the operator says otherwise); then one of these can be taken back, and no other (TOO_MANY_RENAMES). One in the form of an e-mail address must be the `email` of the member.',
      minProperties: 1,
      examples: [{ displayName: '花' }],
    }),
  conditional: true,
  aggregateId: ({ memberId }) => memberId,
  // With the time to wait, which the end of a job can not tell.
  prepares: ({ loginId }) => loginId !== undefined,
  prepare: (_, { auth }, { params: { memberId } }) => auth.checkRename({ memberId }),
  input: ({ id, body, version }) => ({ memberId: id, changes: body, ...version }),
  about: ({ params, body }) => `Change ${Object.keys(body).join(', ')} of member ${params.memberId}`,
  responses: { 200: { ...one, description: 'The member as it is now' } },
  problems: [
    'INVALID_MEMBER',
    'LOGIN_TAKEN',
    'LOGIN_NOT_FOUND',
    'TOO_MANY_RENAMES',
    'RENAMED_TOO_OFTEN',
    'MEMBER_BUSY',
    'MEMBER_DELETING',
  ],
  answer: (id, gateway, reader) => readMemberFor(gateway, id, reader),
});

const deleteMember = commandRoute({
  command: 'member.delete',
  method: 'DELETE',
  path: '/v1/members/{memberId}',
  tag: 'Members',
  operationId: 'deleteMember',
  summary: 'Delete a member',
  params: memberId,
  resource: ({ memberId }) => member(memberId),
  conditional: true,
  aggregateId: ({ memberId }) => memberId,
  input: ({ id, version }) => ({ memberId: id, ...version }),
  about: ({ params }) => `Delete member ${params.memberId}`,
  responses: { 204: { description: 'The member is gone, with its login and its roles' } },
  problems: ['LAST_ADMIN', 'MEMBER_BUSY', 'MEMBER_DELETING'],
  answer: async () => ({ status: 204 as const }),
});

const suspendMember = commandRoute({
  command: 'member.suspend',
  method: 'POST',
  path: '/v1/members/{memberId}:suspend',
  tag: 'Members',
  operationId: 'suspendMember',
  summary: 'Suspend a member',
  description:
    'It can not log in, its sessions end and its sockets are closed, before the command is acknowledged. It keeps its roles. What it has asked for and is not done yet is undone.',
  params: memberId,
  resource: ({ memberId }) => member(memberId),
  body: z
    .strictObject({
      reason: reason
        .meta({
          description: 'Why, in a line; shown to those who may suspend the member',
          examples: ['On leave until April'],
        })
        .optional(),
    })
    .meta({ id: 'Suspension', examples: [{ reason: 'On leave until April' }] })
    .optional(),
  conditional: true,
  aggregateId: ({ memberId }) => memberId,
  input: ({ id, body, version, byMemberId }) => ({ memberId: id, byMemberId, reason: body?.reason, ...version }),
  about: ({ params }) => `Suspend member ${params.memberId}`,
  responses: { 200: { ...one, description: 'The member, which is suspended' } },
  problems: ['MEMBER_SUSPENDED', 'SELF_SUSPENSION', 'LAST_ADMIN', 'INVALID_MEMBER', 'MEMBER_BUSY', 'MEMBER_DELETING'],
  answer: (id, gateway, reader) => readMemberFor(gateway, id, reader),
});

const reinstateMember = commandRoute({
  command: 'member.reinstate',
  method: 'POST',
  path: '/v1/members/{memberId}:reinstate',
  tag: 'Members',
  operationId: 'reinstateMember',
  summary: 'Reinstate a suspended member',
  description: 'It can log in again, with the password and the roles that it had.',
  params: memberId,
  resource: ({ memberId }) => member(memberId),
  conditional: true,
  aggregateId: ({ memberId }) => memberId,
  input: ({ id, version }) => ({ memberId: id, ...version }),
  about: ({ params }) => `Reinstate member ${params.memberId}`,
  responses: { 200: { ...one, description: 'The member, which is active' } },
  problems: ['MEMBER_NOT_SUSPENDED', 'LOGIN_NOT_FOUND', 'MEMBER_BUSY', 'MEMBER_DELETING'],
  answer: (id, gateway, reader) => readMemberFor(gateway, id, reader),
});

const listMembers = route({
  method: 'GET',
  path: '/v1/members',
  tag: 'Members',
  operationId: 'listMembers',
  summary: 'List members, by name',
  description: 'Where words are looked for: first the members of whom words begin with them, then the others, each by name.',
  action: 'member.list',
  filtered: true,
  resource: () => ({ type: 'Member', id: '' }),
  query: {
    query: searchQuery
      .optional()
      .meta({ description: 'Words to find in display name, login or e-mail', examples: ['花子', 'hana example.com'] }),
    ...paging,
  },
  responses: { 200: { description: 'A page of members', schema: memberPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal: { memberId, seen }, accessToken, query: { query = '', pageSize, pageToken = '' } }, gateway) {
    const asked = { query, roleId: '', pageSize, pageToken, memberId, seen };
    const { members, nextPageToken } = await gateway.query.listMembers(asked);
    const items = await shownTo(accessToken, gateway, members);
    return pageOf(items, nextPageToken);
  },
});

const getMember = route({
  method: 'GET',
  path: '/v1/members/{memberId}',
  tag: 'Members',
  operationId: 'getMember',
  summary: 'A member',
  action: 'member.read',
  filtered: true,
  params: memberId,
  resource: ({ params }) => member(params.memberId),
  hiddenAs: 'MEMBER_NOT_FOUND',
  responses: { 200: one },
  handle: ({ params, principal: { seen }, accessToken }, gateway) => readMember(gateway, params.memberId, accessToken, seen),
});

const getMe = route({
  method: 'GET',
  path: '/v1/members/me',
  tag: 'Members',
  operationId: 'getMe',
  summary: 'The member whose token this is',
  action: 'member.read',
  filtered: true,
  resource: ({ claimedMemberId }) => member(claimedMemberId),
  responses: { 200: one },
  problems: ['MEMBER_NOT_FOUND'],
  handle: ({ principal: { memberId, seen }, accessToken }, gateway) => readMember(gateway, memberId, accessToken, seen),
});

const readMemberFor = async (gateway: RequestGateway, id: string, reader: Reader) =>
  await readMember(gateway, id, reader.accessToken, await seenOf(gateway, reader, 'member.read', 'Member', id));

async function readMember(gateway: RequestGateway, memberId: string, accessToken: string, seen: Principal['seen']) {
  const { member } = await gateway.query.getMember({ memberId, seen });
  if (!member) throw internal('INTERNAL', 'Query answered without a member');
  const [body] = await shownTo(accessToken, gateway, [member]);
  if (!body) throw internal('INTERNAL', 'a member that is read is not shown');
  return tagged(member.version, body);
}

export const memberRoutes = [
  registerMember,
  listMembers,
  getMe,
  getMember,
  updateMember,
  suspendMember,
  reinstateMember,
  deleteMember,
];
