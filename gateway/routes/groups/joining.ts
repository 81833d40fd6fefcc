import { z } from 'zod';
import { internal, permissionDenied } from '#platform/errors.ts';
import { reason } from '#platform/validation/fields.ts';
import { INVITED_DAYS, joinMessage } from '#platform/validation/group-fields.ts';
import { Candidacy } from '#proto/musubi/query/v1/query.ts';
import { commandRoute } from '../../commands/route.ts';
import { claimedSubject } from '../../http/authorize.ts';
import { idOf, namedIdOf } from '../../id.ts';
import { member } from '../member-view.ts';
import { HIDDEN_GROUP, requireReadableMember } from '../readable.ts';
import { invitationSchema, invitationShown, joinRequestSchema, joinRequestShown, readCandidacy } from './candidate-view.ts';
import { CHANGING } from './group-members.ts';
import { group } from './group-view.ts';

// How members come into groups that are not open: they ask and are let in, or are invited and accept. Each is about a member, and the job
// is that member's.

const ofGroup = { groupId: namedIdOf('group') };
const ofMember = { ...ofGroup, memberId: idOf('member') };

const COMING = [...CHANGING, 'GROUP_ARCHIVED', 'ALREADY_MEMBER', 'TOO_MANY_GROUPS'] as const;

const ofOne = {
  tag: 'Groups',
  params: ofMember,
  resource: ({ groupId }: { groupId: string }) => group(groupId),
  aggregateId: ({ memberId }: { memberId: string }) => memberId,
} as const;

/** @throws PERMISSION_DENIED unless the member of the path asks */
const onlyItself =
  (message: string) =>
  async (_: unknown, __: unknown, { accessToken, params }: { accessToken: string; params: { memberId: string } }) => {
    if (claimedSubject(accessToken) !== params.memberId) throw permissionDenied('PERMISSION_DENIED', message);
  };

/** What was just written, which queries see by now. */
function there<View>(view: View | undefined): View {
  if (view === undefined) throw internal('INTERNAL', 'Query does not have what was just written');
  return view;
}

const requestJoin = commandRoute({
  command: 'group.request-join',
  method: 'POST',
  path: '/v1/groups/{groupId}/join-requests',
  tag: 'Groups',
  operationId: 'requestJoin',
  summary: 'Ask to be let into a group',
  description:
    'Of a group that takes requests. Who is invited accepts instead. A request ends when the member comes in in whichever way; until somebody decides, it can be withdrawn.',
  params: ofGroup,
  resource: ({ groupId }) => group(groupId),
  ...HIDDEN_GROUP,
  body: z
    .strictObject({ message: joinMessage.optional() })
    .meta({ id: 'NewJoinRequest', examples: [{ message: 'I work on the same project' }] })
    .optional(),
  aggregateId: (_, byMemberId) => byMemberId,
  input: ({ id, params: { groupId }, body }) => ({ groupId, memberId: id, ...body }),
  about: ({ params }) => `Ask to be let into group ${params.groupId}`,
  responses: { 201: { description: 'Who may decide sees the request', schema: joinRequestSchema } },
  problems: [
    ...CHANGING,
    'GROUP_ARCHIVED',
    'ALREADY_MEMBER',
    'GROUP_NOT_ON_REQUEST',
    'ALREADY_REQUESTED',
    'ALREADY_INVITED',
    'TOO_MANY_JOIN_REQUESTS',
  ],
  async answer(memberId, gateway, reader, { groupId }) {
    const asked = { groupId, memberId, candidacy: Candidacy.CANDIDACY_REQUESTED };
    const found = await readCandidacy(gateway, asked, reader, { action: 'member.list-requests', resource: member(memberId) });
    return { status: 201 as const, body: joinRequestShown(there(found)) };
  },
});

const approveRequest = commandRoute({
  ...ofOne,
  ...HIDDEN_GROUP,
  command: 'group.approve-request',
  method: 'POST',
  path: '/v1/groups/{groupId}/join-requests/{memberId}:approve',
  operationId: 'approveRequest',
  summary: 'Let a member into a group that has asked',
  description: 'Who is no administrator must hold in the group what all its members are granted there.',
  input: ({ id, params: { groupId } }) => ({ groupId, memberId: id }),
  about: ({ params }) => `Let member ${params.memberId} into group ${params.groupId}`,
  responses: { 204: { description: 'The member is in the group' } },
  problems: [...COMING, 'JOIN_REQUEST_NOT_FOUND', 'EXCEEDS_OWN_PERMISSIONS'],
  answer: async () => ({ status: 204 as const }),
});

const declineRequest = commandRoute({
  ...ofOne,
  ...HIDDEN_GROUP,
  command: 'group.decline-request',
  method: 'POST',
  path: '/v1/groups/{groupId}/join-requests/{memberId}:decline',
  operationId: 'declineRequest',
  summary: 'Do not let a member into a group that has asked',
  description: 'It can ask again.',
  body: z
    .strictObject({ reason: reason.optional().meta({ description: 'Why, in a line, for the member to read' }) })
    .meta({ id: 'DeclinedRequest', examples: [{ reason: 'It is for another department' }] })
    .optional(),
  input: ({ id, params: { groupId }, body }) => ({ groupId, memberId: id, ...body }),
  about: ({ params }) => `Do not let member ${params.memberId} into group ${params.groupId}`,
  responses: { 204: { description: 'The request is declined' } },
  problems: [...CHANGING, 'JOIN_REQUEST_NOT_FOUND'],
  answer: async () => ({ status: 204 as const }),
});

const withdrawRequest = commandRoute({
  ...ofOne,
  command: 'group.withdraw-request',
  method: 'DELETE',
  path: '/v1/groups/{groupId}/join-requests/{memberId}',
  operationId: 'withdrawRequest',
  summary: 'Take back that one has asked to be let into a group',
  description: 'Only the member itself does. What was declined is forgotten by it.',
  prepare: onlyItself('a member takes back what it has asked for itself; others decline it'),
  input: ({ id, params: { groupId } }) => ({ groupId, memberId: id }),
  about: ({ params }) => `Take back that member ${params.memberId} asks to be let into group ${params.groupId}`,
  responses: { 204: { description: 'There is no request' } },
  problems: [...CHANGING, 'JOIN_REQUEST_NOT_FOUND'],
  answer: async () => ({ status: 204 as const }),
});

const inviteMember = commandRoute({
  command: 'group.invite-member',
  method: 'POST',
  path: '/v1/groups/{groupId}/invitations',
  tag: 'Groups',
  operationId: 'inviteMember',
  summary: 'Invite a member to a group',
  description:
    'It sees the group until it accepts, declines, or the invitation ends. Who is no administrator must hold in the group what all its members are granted there. Who has asked to be let in is approved instead. Whom you may not read (`member.read`), you do not invite: it is answered as if there was no such member.',
  params: ofGroup,
  resource: ({ groupId }) => group(groupId),
  ...HIDDEN_GROUP,
  body: z
    .strictObject({
      memberId: idOf('member'),
      expiresAt: z.iso
        .datetime({ offset: true })
        .optional()
        .meta({
          description: `Until when it can be accepted, at most ${INVITED_DAYS.most} days away; default: ${INVITED_DAYS.default} days`,
        }),
    })
    .meta({
      id: 'NewInvitation',
      examples: [
        { memberId: '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40' },
        { memberId: '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40', expiresAt: '2026-12-24T18:00:00Z' },
      ],
    }),
  aggregateId: (_, __, { memberId }) => memberId,
  prepare: ({ memberId }, gateway, call) => requireReadableMember(gateway, call, memberId),
  input: ({ id, params: { groupId }, body: { expiresAt }, byMemberId }) => ({
    ...{ groupId, memberId: id, byMemberId },
    ...(expiresAt === undefined ? {} : { until: expiresAt }),
  }),
  about: ({ params, body }) => `Invite member ${body.memberId} to group ${params.groupId}`,
  responses: { 201: { description: 'The member sees the group and the invitation', schema: invitationSchema } },
  problems: [
    ...CHANGING,
    'GROUP_ARCHIVED',
    'ALREADY_MEMBER',
    'ALREADY_REQUESTED',
    'ALREADY_INVITED',
    'TOO_MANY_INVITATIONS',
    'EXCEEDS_OWN_PERMISSIONS',
  ],
  async answer(memberId, gateway, reader, { groupId }) {
    const asked = { groupId, memberId, candidacy: Candidacy.CANDIDACY_INVITED };
    const found = await readCandidacy(gateway, asked, reader, { action: 'group.invite-member', resource: group(groupId) });
    return { status: 201 as const, body: invitationShown(there(found)) };
  },
});

const acceptInvitation = commandRoute({
  ...ofOne,
  ...HIDDEN_GROUP,
  command: 'group.accept-invitation',
  method: 'POST',
  path: '/v1/groups/{groupId}/invitations/{memberId}:accept',
  operationId: 'acceptInvitation',
  summary: 'Come into a group to which one is invited',
  description:
    'Who is invited may, until the invitation ends or is taken back: then it is PERMISSION_DENIED, or GROUP_NOT_FOUND of a group that only the invitation let see.',
  prepare: onlyItself('only who is invited accepts'),
  input: ({ id, params: { groupId } }) => ({ groupId, memberId: id }),
  about: ({ params }) => `Have member ${params.memberId} come into group ${params.groupId}`,
  responses: { 204: { description: 'The member is in the group' } },
  problems: [...COMING, 'INVITATION_NOT_FOUND'],
  answer: async () => ({ status: 204 as const }),
});

const declineInvitation = commandRoute({
  ...ofOne,
  ...HIDDEN_GROUP,
  command: 'group.decline-invitation',
  method: 'POST',
  path: '/v1/groups/{groupId}/invitations/{memberId}:decline',
  operationId: 'declineInvitation',
  summary: 'Do not come into a group to which one is invited',
  description: 'What only the invitation lets see, is not seen any more.',
  prepare: onlyItself('only who is invited declines; others withdraw the invitation'),
  input: ({ id, params: { groupId } }) => ({ groupId, memberId: id }),
  about: ({ params }) => `Have member ${params.memberId} not come into group ${params.groupId}`,
  responses: { 204: { description: 'There is no invitation' } },
  problems: [...CHANGING, 'INVITATION_NOT_FOUND'],
  answer: async () => ({ status: 204 as const }),
});

const withdrawInvitation = commandRoute({
  ...ofOne,
  ...HIDDEN_GROUP,
  command: 'group.withdraw-invitation',
  method: 'DELETE',
  path: '/v1/groups/{groupId}/invitations/{memberId}',
  operationId: 'withdrawInvitation',
  summary: 'Take an invitation back',
  description: 'What only the invitation let the member see, it does not see any more.',
  input: ({ id, params: { groupId } }) => ({ groupId, memberId: id }),
  about: ({ params }) => `Take the invitation of member ${params.memberId} to group ${params.groupId} back`,
  responses: { 204: { description: 'There is no invitation' } },
  problems: [...CHANGING, 'INVITATION_NOT_FOUND'],
  answer: async () => ({ status: 204 as const }),
});

export const joiningRoutes = [
  requestJoin,
  approveRequest,
  declineRequest,
  withdrawRequest,
  inviteMember,
  acceptInvitation,
  declineInvitation,
  withdrawInvitation,
];
