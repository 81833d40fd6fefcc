import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** member-schema.events → member_schemas. */
export const memberSchemas = defineProjection({
  aggregateType: 'member-schema',
  table: 'member_schemas',
  payload: { schema: z.record(z.string(), z.unknown()), updatedAt: z.iso.datetime({ offset: true }) },
  columns: { schema: 'jsonb', updated_at: 'timestamptz' },
  row: ({ schema, updatedAt }) => ({ schema, updated_at: updatedAt }),
});
