import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** membership.events → memberships. May come before the group and the member themselves, or after these are gone. */
export const memberships = defineProjection({
  aggregateType: 'membership',
  table: 'memberships',
  payload: {
    groupId: z.string().min(1),
    memberId: z.string().min(1),
    membership: z.object({ joinedAt: z.iso.datetime({ offset: true }), tagIds: z.array(z.string()).default([]) }).optional(),
  },
  columns: { group_id: 'text', member_id: 'text', joined_at: 'timestamptz', tag_ids: 'text[]' },
  row: ({ groupId, memberId, membership }) =>
    membership && { group_id: groupId, member_id: memberId, joined_at: membership.joinedAt, tag_ids: membership.tagIds },
});
