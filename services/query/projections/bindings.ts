import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** bindings.events → bindings: all that a member is bound to in a group. May come before it is in it, or after it has left. */
export const bindings = defineProjection({
  aggregateType: 'bindings',
  table: 'bindings',
  payload: {
    groupId: z.string().min(1),
    memberId: z.string().min(1),
    bindings: z
      .array(
        z.object({
          positionId: z.string().min(1),
          boundAt: z.iso.datetime({ offset: true }),
          until: z.iso.datetime({ offset: true }).optional(),
        }),
      )
      .default([]),
  },
  columns: { group_id: 'text', member_id: 'text', position_ids: 'text[]', bindings: 'jsonb' },
  row: ({ groupId, memberId, bindings }) =>
    bindings.length > 0
      ? { group_id: groupId, member_id: memberId, position_ids: bindings.map(({ positionId }) => positionId), bindings }
      : undefined,
});
