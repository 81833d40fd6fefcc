import {
  GROUP_INVITATION_LIST,
  GROUP_REQUEST_LIST,
  MEMBER_EXPULSION_LIST,
  MEMBER_INVITATION_LIST,
  MEMBER_REQUEST_LIST,
} from '#platform/validation/group-lists.ts';
import { Candidacy } from '#proto/musubi/query/v1/query.ts';
import type { RequestGateway } from '../../gateway.ts';
import { seenOf, seenOrNone } from '../../http/authorize.ts';
import { listing, pageOf } from '../../http/paging.ts';
import { type Call, route, SEES_ALL } from '../../http/route.ts';
import { idOf, namedIdOf } from '../../id.ts';
import { member } from '../member-view.ts';
import { HIDDEN_GROUP, requireReadableGroup } from '../readable.ts';
import {
  expulsionPageSchema,
  expulsionShown,
  invitationPageSchema,
  invitationShown,
  invitedMemberPageSchema,
  invitedShown,
  joinRequestPageSchema,
  joinRequestShown,
  requestingMemberPageSchema,
  requestingShown,
} from './candidate-view.ts';
import { group } from './group-view.ts';

// Who has asked to be let into a group, is invited, or was put out: the lists of groups, and those of members.

const ofGroup = { groupId: namedIdOf('group') };
const ofMember = { memberId: idOf('member') };

const { CANDIDACY_REQUESTED, CANDIDACY_INVITED, CANDIDACY_EXPELLED } = Candidacy;

type Asked = { filter?: string | undefined; orderBy?: string | undefined; pageSize: number; pageToken?: string | undefined };

async function candidatesOf(
  gateway: RequestGateway,
  { accessToken, ctx, principal: { memberId } }: Pick<Call, 'accessToken' | 'ctx' | 'principal'>,
  { groupId, candidacy, query }: { groupId: string; candidacy: Candidacy; query: Asked },
) {
  const [seen] = await Promise.all([
    seenOf(gateway, { accessToken, ctx }, 'member.list', 'Member'),
    requireReadableGroup(gateway, accessToken, groupId),
  ]);
  const { filter = '', orderBy = '', pageSize, pageToken = '' } = query;
  return await gateway.query.listCandidates({ groupId, candidacy, filter, orderBy, pageSize, pageToken, memberId, seen });
}

const listJoinRequests = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/join-requests',
  tag: 'Groups',
  operationId: 'listJoinRequests',
  summary: 'Who has asked to be let into a group, by name or in another order',
  description: 'Those of whom nobody has decided; of them, those that you may see (`member.list`).',
  action: 'group.list-requests',
  ...HIDDEN_GROUP,
  params: ofGroup,
  resource: ({ params }) => group(params.groupId),
  query: listing(GROUP_REQUEST_LIST),
  responses: { 200: { description: 'A page of members, with what they say', schema: requestingMemberPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { groupId }, query, ...call }, gateway) {
    const { candidates, nextPageToken } = await candidatesOf(gateway, call, { groupId, query, candidacy: CANDIDACY_REQUESTED });
    return pageOf(await requestingShown(call.accessToken, gateway, candidates), nextPageToken);
  },
});

const listInvitations = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/invitations',
  tag: 'Groups',
  operationId: 'listInvitations',
  summary: 'Who is invited to a group, by name or in another order',
  description: 'Of them, those that you may see (`member.list`).',
  action: 'group.list-invitations',
  ...HIDDEN_GROUP,
  params: ofGroup,
  resource: ({ params }) => group(params.groupId),
  query: listing(GROUP_INVITATION_LIST),
  responses: { 200: { description: 'A page of members, with by whom and until when', schema: invitedMemberPageSchema } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ params: { groupId }, query, ...call }, gateway) {
    const { candidates, nextPageToken } = await candidatesOf(gateway, call, { groupId, query, candidacy: CANDIDACY_INVITED });
    return pageOf(await invitedShown(call.accessToken, gateway, candidates), nextPageToken);
  },
});

/** What a member is to groups. Where it may list no group, it sees of them what it needs: their IDs. */
async function candidaciesOf(
  gateway: RequestGateway,
  call: Pick<Call, 'accessToken' | 'ctx'>,
  { memberId, candidacy, query }: { memberId: string; candidacy: Candidacy; query: Asked },
) {
  const seen = await seenOrNone(gateway, call, 'group.list', 'Group');
  const { filter = '', orderBy = '', pageSize, pageToken = '' } = query;
  const asked = { memberId, candidacy, groupId: '', filter, orderBy, pageSize, pageToken, seen };
  const found = await gateway.query.listCandidacies(asked);
  if (found.candidacies.length === 0 && pageToken === '') await gateway.query.getMember({ memberId, seen: SEES_ALL });
  return found;
}

const OF_MEMBER = {
  method: 'GET',
  tag: 'Groups',
  hiddenAs: 'MEMBER_NOT_FOUND',
  readBy: 'member.read',
  params: ofMember,
  problems: ['PAGE_TOKEN_INVALID'],
} as const;

const listMemberJoinRequests = route({
  ...OF_MEMBER,
  path: '/v1/members/{memberId}/join-requests',
  operationId: 'listMemberJoinRequests',
  summary: 'To which groups a member has asked to be let in',
  description:
    "By the groups' IDs or in another order. Also what was declined, until the member asks again or has it forgotten. Others need `member.list-requests`.",
  action: 'member.list-requests',
  resource: ({ params }) => member(params.memberId),
  query: listing(MEMBER_REQUEST_LIST),
  responses: { 200: { description: 'A page of requests', schema: joinRequestPageSchema } },
  async handle({ params: { memberId }, query, ...call }, gateway) {
    const found = await candidaciesOf(gateway, call, { memberId, query, candidacy: CANDIDACY_REQUESTED });
    return pageOf(found.candidacies.map(joinRequestShown), found.nextPageToken);
  },
});

const listMemberInvitations = route({
  ...OF_MEMBER,
  path: '/v1/members/{memberId}/invitations',
  operationId: 'listMemberInvitations',
  summary: 'To which groups a member is invited',
  description: "By the groups' IDs or in another order. Others need `member.list-invitations`.",
  action: 'member.list-invitations',
  resource: ({ params }) => member(params.memberId),
  query: listing(MEMBER_INVITATION_LIST),
  responses: { 200: { description: 'A page of invitations', schema: invitationPageSchema } },
  async handle({ params: { memberId }, query, ...call }, gateway) {
    const found = await candidaciesOf(gateway, call, { memberId, query, candidacy: CANDIDACY_INVITED });
    return pageOf(found.candidacies.map(invitationShown), found.nextPageToken);
  },
});

const listMemberExpulsions = route({
  ...OF_MEMBER,
  path: '/v1/members/{memberId}/expulsions',
  operationId: 'listMemberExpulsions',
  summary: 'Out of which groups a member was put, and why',
  description:
    "By the groups' IDs or in another order: those that it did not come into again, also such that it does not see any more. Others need `member.list-expulsions`.",
  action: 'member.list-expulsions',
  resource: ({ params }) => member(params.memberId),
  query: listing(MEMBER_EXPULSION_LIST),
  responses: { 200: { description: 'A page of expulsions', schema: expulsionPageSchema } },
  async handle({ params: { memberId }, query, ...call }, gateway) {
    const found = await candidaciesOf(gateway, call, { memberId, query, candidacy: CANDIDACY_EXPELLED });
    return pageOf(found.candidacies.map(expulsionShown), found.nextPageToken);
  },
});

export const candidateRoutes = [
  listJoinRequests,
  listInvitations,
  listMemberJoinRequests,
  listMemberInvitations,
  listMemberExpulsions,
];
