import { z } from 'zod';
import { permissionDenied } from '#platform/errors.ts';
import { reason } from '#platform/validation/fields.ts';
import { MOST_ADDED } from '#platform/validation/group-fields.ts';
import { commandRoute } from '../../commands/route.ts';
import { claimedSubject } from '../../http/authorize.ts';
import { distinctIds, EXAMPLE_ID, idOf, namedIdOf } from '../../id.ts';
import { HIDDEN_GROUP, requireReadableMember } from '../readable.ts';
import { group } from './group-view.ts';

// Who is in a group: each of these is about a member in it, and the job is that member's.

const ofMember = { groupId: namedIdOf('group'), memberId: idOf('member') };
const resource = ({ groupId }: { groupId: string }) => group(groupId);
const aggregateId = ({ memberId }: { memberId: string }): string => memberId;
const successorId = idOf('member').optional().meta({
  description:
    'Who leads the group from then on in its place, for as long as it would have; must be in the group, and not be suspended. Who leads no group has none; it is needed where nobody else leads it as long',
});

/** The problems of every change of what a member is to a group. */
export const CHANGING = [
  'GROUP_NOT_FOUND',
  'MEMBER_NOT_FOUND',
  'MEMBER_DELETING',
  'ROOT_GROUP',
  'GROUP_BUSY',
  'MEMBERSHIP_BUSY',
] as const;
const ENDING = [
  ...CHANGING,
  'NOT_MEMBER',
  'LAST_LEADER',
  'POSITION_BUSY',
  'TOO_MANY_BINDINGS',
  'EXCEEDS_OWN_PERMISSIONS',
] as const;

const addMember = commandRoute({
  command: 'group.add-member',
  selfAction: 'group.join',
  method: 'PUT',
  path: '/v1/groups/{groupId}/members/{memberId}',
  tag: 'Groups',
  operationId: 'addMember',
  summary: 'Join a group, or add a member to it',
  description:
    'Who is the member of the path joins (`group.join`), which takes a group that is open. Who adds another one (`group.add-member`) must hold in the group what all its members are granted there, and be allowed to read it (`member.read`): else it is answered as if there was no such member.',
  params: ofMember,
  resource,
  ...HIDDEN_GROUP,
  aggregateId,
  prepare: async (_, gateway, { params: { memberId }, ...call }) => {
    if (claimedSubject(call.accessToken) !== memberId) await requireReadableMember(gateway, call, memberId);
  },
  input: ({ id, params: { groupId }, byMemberId }) => ({ groupId, memberId: id, byMemberId }),
  about: ({ params }) => `Add member ${params.memberId} to group ${params.groupId}`,
  responses: { 204: { description: 'The member is in the group' } },
  problems: [...CHANGING, 'GROUP_ARCHIVED', 'ALREADY_MEMBER', 'GROUP_NOT_OPEN', 'TOO_MANY_GROUPS', 'EXCEEDS_OWN_PERMISSIONS'],
  answer: async () => ({ status: 204 as const }),
});

const leaveGroup = commandRoute({
  command: 'group.leave',
  method: 'DELETE',
  path: '/v1/groups/{groupId}/members/{memberId}',
  tag: 'Groups',
  operationId: 'leaveGroup',
  summary: 'Leave a group',
  description:
    'The positions that one holds there go with it. The last that leads a group names a successor; who is alone in it deletes the group, or leaves where it may not do that: then those lead it who lead a group that it is in. An archived group can be left, too. Others are put out by `:expel`.',
  params: ofMember,
  query: { successorId },
  resource,
  ...HIDDEN_GROUP,
  aggregateId,
  prepare: async (_, __, { accessToken, params: { memberId } }) => {
    if (claimedSubject(accessToken) !== memberId)
      throw permissionDenied('PERMISSION_DENIED', 'a member leaves a group by itself; others put it out by :expel');
  },
  input: ({ id, params: { groupId }, query }) => ({ groupId, memberId: id, ...query }),
  about: ({ params }) => `Have member ${params.memberId} leave group ${params.groupId}`,
  responses: { 204: { description: 'The member is not in the group any more' } },
  problems: [...ENDING],
  answer: async () => ({ status: 204 as const }),
});

const expelMember = commandRoute({
  command: 'group.expel-member',
  method: 'POST',
  path: '/v1/groups/{groupId}/members/{memberId}:expel',
  tag: 'Groups',
  operationId: 'expelMember',
  summary: 'Put a member out of a group',
  description:
    'The positions that it holds there go with it. It is done in an archived group, too. The last that leads a group is put out by who names a successor, or by an administrator: then those lead it who lead a group that it is in.',
  params: ofMember,
  resource,
  ...HIDDEN_GROUP,
  body: z
    .strictObject({
      reason: reason.meta({ description: 'Why, in a line, for the member to read', examples: ['The project is over'] }),
      successorId,
    })
    .meta({ id: 'Expulsion', examples: [{ reason: 'The project is over' }] }),
  aggregateId,
  input: ({ id, params: { groupId }, body, byMemberId }) => ({ groupId, memberId: id, byMemberId, ...body }),
  about: ({ params }) => `Put member ${params.memberId} out of group ${params.groupId}`,
  responses: { 204: { description: 'The member is not in the group any more' } },
  problems: ENDING,
  answer: async () => ({ status: 204 as const }),
});

/** So many lines cost about what another command does. */
const LINES_AS_ONE = 100;

const sum = z.int().min(0);
const additionsSchema = z
  .strictObject({
    jobId: z.uuid().meta({ description: 'The job, whose lines say what became of each: `GET /v1/jobs/{jobId}/lines`' }),
    added: sum.meta({ description: 'How many came into the group' }),
    already: sum.meta({ description: 'How many were in it' }),
    refused: sum.meta({ description: 'How many did not come into it' }),
  })
  .meta({ id: 'Additions', examples: [{ jobId: EXAMPLE_ID, added: 9_990, already: 8, refused: 2 }] });
/** What the saga has as its result. */
const sums = z.object({ added: sum, already: sum, refused: sum });

const addMembers = commandRoute({
  command: 'group.add-members',
  action: 'group.add-member',
  method: 'POST',
  path: '/v1/groups/{groupId}/members:add',
  tag: 'Groups',
  operationId: 'addMembers',
  summary: 'Add up to 10,000 members to a group',
  description: `Each line ends by itself: its member is added, was in the group already, or is refused with a code (MEMBER_NOT_FOUND, MEMBER_DELETING, TOO_MANY_GROUPS …), which holds up no other. \`GET /v1/jobs/{jobId}/lines\` tells, also while the job goes on; its result has the sums.
Whom you may not read (\`member.read\`) is refused as if there was no such member.
Who adds must hold in the group what all its members are granted there, from the first line to the last: once the permission is taken away, the lines that are left are refused (PERMISSION_REVOKED).
Among the commands that one may send over time (TOO_MANY_JOBS) it counts as one for each ${LINES_AS_ONE} members that are begun.
The job can be cancelled: whose turn has not come is refused (LINE_CANCELLED), who is in the group stays there.`,
  params: { groupId: namedIdOf('group') },
  resource: ({ groupId }) => group(groupId),
  ...HIDDEN_GROUP,
  body: z
    .strictObject({
      memberIds: distinctIds('member', 1, MOST_ADDED).meta({ description: 'Each once', uniqueItems: true }),
    })
    .meta({ id: 'MembersToAdd', examples: [{ memberIds: [EXAMPLE_ID] }] }),
  // Of each an ID in quotes, with as much space again.
  bodyLimit: { bytes: 1024 * 1024, values: MOST_ADDED + 100 },
  aggregateId: ({ groupId }) => groupId,
  cost: ({ memberIds }) => Math.ceil(memberIds.length / LINES_AS_ONE),
  input: ({ id, body: { memberIds } }) => ({ groupId: id, memberIds }),
  about: ({ params, body: { memberIds } }) => `Add ${memberIds.length} members to group ${params.groupId}`,
  responses: { 200: { description: 'Every line has ended', schema: additionsSchema } },
  problems: ['GROUP_NOT_FOUND', 'GROUP_ARCHIVED', 'ROOT_GROUP', 'GROUP_BUSY', 'EXCEEDS_OWN_PERMISSIONS'],
  answer: async (_, gateway, __, ___, { jobId, resultJson }) => {
    const { data } = sums.safeParse(JSON.parse(resultJson));
    // Of a job whose history was lost only the lines tell.
    const { added, already, refused } = data ?? (await gateway.group.getAdditionSums({ jobId }));
    return { status: 200 as const, body: { jobId, added, already, refused } };
  },
});

export const groupMemberRoutes = [addMember, addMembers, leaveGroup, expelMember];
