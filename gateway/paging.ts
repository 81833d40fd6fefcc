import { z } from 'zod';

/** The query parameters of every list. */
export const paging = {
  pageSize: z.coerce.number().int().min(1).max(100).default(20).meta({ description: 'How many at most' }),
  pageToken: z
    .string()
    .regex(/^[\w.~+/=-]{1,1024}$/, 'must be the nextPageToken of an answer')
    .optional()
    .meta({ description: 'The `nextPageToken` of the page before' }),
};

/** A page of a list. */
export function pageSchema<S extends z.ZodType>(item: S, id: string) {
  return z
    .strictObject({ items: z.array(item), nextPageToken: z.string().optional().meta({ description: 'Absent on the last page' }) })
    .meta({ id });
}
