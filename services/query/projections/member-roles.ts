import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** member-roles.events → member_roles. May come before the member itself, or after it is gone. */
export const memberRoles = defineProjection({
  aggregateType: 'member-roles',
  table: 'member_roles',
  payload: { roleIds: z.array(z.string().min(1)).default([]) },
  columns: { role_ids: 'text[]' },
  row: ({ roleIds }) => (roleIds.length > 0 ? { role_ids: roleIds.toSorted() } : undefined),
});
