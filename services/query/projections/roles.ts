import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** role.events → roles. */
export const roles = defineProjection({
  aggregateType: 'role',
  table: 'roles',
  payload: {
    role: z
      .object({
        name: z.string().default(''),
        description: z.string().default(''),
        builtIn: z.boolean().default(false),
        policyIds: z.array(z.string()).default([]),
        createdAt: z.iso.datetime({ offset: true }),
        updatedAt: z.iso.datetime({ offset: true }),
      })
      .optional(),
  },
  columns: {
    name: 'text',
    description: 'text',
    built_in: 'boolean',
    policy_ids: 'text[]',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  row: ({ role }) =>
    role && {
      name: role.name,
      description: role.description,
      built_in: role.builtIn,
      policy_ids: role.policyIds,
      created_at: role.createdAt,
      updated_at: role.updatedAt,
    },
});
