import { z } from 'zod';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { type ExplainedAction, type Tie, TieKind } from '#proto/musubi/auth/v1/auth.ts';
import { route } from '../../http/route.ts';
import { EXAMPLE_ID, idOf, namedIdOf } from '../../id.ts';
import { decidedBy, deciding } from '../decided.ts';
import { member } from '../member-view.ts';
import { requireReadable } from '../readable.ts';

const EXAMPLE = {
  action: 'group.update',
  allowed: true,
  policies: [],
  positions: [{ positionId: EXAMPLE_ID, groupId: EXAMPLE_ID }],
};

const explained = z
  .strictObject({
    action: z.string(),
    allowed: z.boolean(),
    ...deciding,
    needs: z.string().optional().meta({ description: 'What would have to change, so that it is allowed; absent: it is' }),
  })
  .meta({
    id: 'ExplainedPermission',
    examples: [EXAMPLE],
  });

/** What the member would have to be. */
const WOULD_BE: Partial<Record<TieKind, (tie: Tie) => string>> = {
  [TieKind.TIE_KIND_HOLDER]: ({ positionId, groupId }) => `be bound to position ${positionId} of group ${groupId}`,
  [TieKind.TIE_KIND_LEADER]: ({ groupId }) => `lead group ${groupId}, or one that it is in`,
  [TieKind.TIE_KIND_MEMBER]: ({ groupId }) => `be in group ${groupId}`,
  [TieKind.TIE_KIND_INVITED]: ({ groupId }) => `be invited to group ${groupId}`,
};

/** What would have to change. */
function needs({ action, allowed, forbidden, policies, wouldDo }: ExplainedAction): { needs?: string } {
  if (allowed) return {};
  const those = policies.map(({ policyId, roleId }) => `${policyId} of role ${roleId}`).join(', ');
  const would = [...new Set(wouldDo.flatMap((tie) => WOULD_BE[tie.kind]?.(tie) ?? []))].join(', or ');
  const other = would === '' ? '' : `The member must ${would}. Otherwise: `;
  if (forbidden) return { needs: `${other}The policies that forbid it must not: ${those}.` };
  return {
    needs: `${other}A position in the group must permit ${action}, or one in a group above it with the reach "subtree"; or a policy of a role must.`,
  };
}

const explainPermissions = route({
  method: 'GET',
  path: '/v1/groups/{groupId}/permissions',
  tag: 'Groups',
  operationId: 'explainPermissions',
  summary: 'What a member may do in a group, and what decides that',
  description:
    'By default of who asks. Of another member: for those who may read it (`member.read`), and see the positions and the members of the group (`position.list`, `group.list-members`). A suspended member is looked at as if it was not.',
  action: 'group.read' satisfies Action,
  params: { groupId: namedIdOf('group') },
  resource: ({ params }) => ({ type: 'Group', id: params.groupId }),
  hiddenAs: 'GROUP_NOT_FOUND',
  query: {
    memberId: idOf('member')
      .optional()
      .meta({ description: 'Of whom it is asked', examples: [EXAMPLE_ID] }),
  },
  responses: {
    200: {
      description: 'Each action that can be done to a group, by name',
      schema: z.strictObject({ memberId: z.string(), permissions: z.array(explained) }).meta({
        id: 'ExplainedPermissions',
        examples: [{ memberId: EXAMPLE_ID, permissions: [EXAMPLE] }],
      }),
    },
  },
  // Of another member.
  problems: ['MEMBER_NOT_FOUND', 'PERMISSION_DENIED'],
  async handle({ params: { groupId }, query, principal, accessToken }, gateway) {
    const { memberId = principal.memberId } = query;
    const reading = { action: 'member.read' as const, resource: member(memberId) };
    if (memberId !== principal.memberId) await requireReadable(gateway, accessToken, reading, 'MEMBER_NOT_FOUND');
    const { actions } = await gateway.auth.explainGroup({ accessToken, groupId, memberId });
    const permissions = actions.map((one) => ({ action: one.action, allowed: one.allowed, ...decidedBy(one), ...needs(one) }));
    return { status: 200 as const, body: { memberId, permissions } };
  },
});

export const groupPermissionRoutes = [explainPermissions];
