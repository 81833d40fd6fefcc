import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** position.events → positions. */
export const positions = defineProjection({
  aggregateType: 'position',
  table: 'positions',
  payload: {
    position: z
      .object({
        groupId: z.string().min(1),
        name: z.string().default(''),
        // Any, also of a newer release; absent: one of the group's own.
        kind: z.string().default('POSITION_KIND_UNSPECIFIED'),
        permissions: z
          .array(z.object({ action: z.string().default(''), reach: z.string().default('REACH_UNSPECIFIED') }))
          .default([]),
        createdAt: z.iso.datetime({ offset: true }),
        updatedAt: z.iso.datetime({ offset: true }),
      })
      .optional(),
  },
  columns: {
    group_id: 'text',
    name: 'text',
    kind: 'text',
    permissions: 'jsonb',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  row: ({ position }) =>
    position && {
      group_id: position.groupId,
      name: position.name,
      kind: position.kind,
      permissions: position.permissions,
      created_at: position.createdAt,
      updated_at: position.updatedAt,
    },
});
