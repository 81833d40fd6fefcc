import { z } from 'zod';
import { defineProjection } from './projection.ts';

const at = z.iso.datetime({ offset: true });

/**
 * membership.events → memberships: what a member is to a group, or was. Who is in it has a `joined_at`. May come before the group and the
 * member themselves, or after these are gone.
 */
export const memberships = defineProjection({
  aggregateType: 'membership',
  table: 'memberships',
  payload: {
    groupId: z.string().min(1),
    memberId: z.string().min(1),
    membership: z.object({ joinedAt: at, tagIds: z.array(z.string()).default([]) }).optional(),
    request: z
      .object({
        requestedAt: at,
        message: z.string().optional(),
        declinedAt: at.optional(),
        declineReason: z.string().optional(),
      })
      .optional(),
    invitation: z.object({ invitedAt: at, inviterId: z.string(), until: at }).optional(),
    expulsion: z.object({ expelledAt: at, reason: z.string().optional() }).optional(),
  },
  columns: {
    group_id: 'text',
    member_id: 'text',
    joined_at: 'timestamptz',
    tag_ids: 'text[]',
    requested_at: 'timestamptz',
    message: 'text',
    declined_at: 'timestamptz',
    decline_reason: 'text',
    invited_at: 'timestamptz',
    inviter_id: 'text',
    until: 'timestamptz',
    expelled_at: 'timestamptz',
    reason: 'text',
  },
  row: ({ groupId, memberId, membership, request, invitation, expulsion }) =>
    (membership ?? request ?? invitation ?? expulsion) && {
      group_id: groupId,
      member_id: memberId,
      joined_at: membership?.joinedAt,
      tag_ids: membership?.tagIds,
      requested_at: request?.requestedAt,
      message: request?.message,
      declined_at: request?.declinedAt,
      decline_reason: request?.declineReason,
      invited_at: invitation?.invitedAt,
      inviter_id: invitation?.inviterId,
      until: invitation?.until,
      expelled_at: expulsion?.expelledAt,
      reason: expulsion?.reason,
    },
});
