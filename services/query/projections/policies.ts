import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** policy.events → policies. */
export const policies = defineProjection({
  aggregateType: 'policy',
  table: 'policies',
  payload: {
    policy: z
      .object({
        name: z.string().default(''),
        cedar: z.string().default(''),
        simple: z
          .object({
            effect: z.string(),
            actions: z.array(z.string()).default([]),
            resources: z.array(z.string()).default([]),
          })
          .optional(),
        builtIn: z.boolean().default(false),
        createdAt: z.iso.datetime({ offset: true }),
        updatedAt: z.iso.datetime({ offset: true }),
      })
      .optional(),
  },
  columns: {
    name: 'text',
    cedar: 'text',
    simple: 'jsonb',
    built_in: 'boolean',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  row: ({ policy }) =>
    policy && {
      name: policy.name,
      cedar: policy.cedar,
      simple: policy.simple,
      built_in: policy.builtIn,
      created_at: policy.createdAt,
      updated_at: policy.updatedAt,
    },
});
