import { z } from 'zod';
import { PAGE_SIZE, pageToken } from '#platform/validation/fields.ts';

const EXAMPLE_TOKEN = pageToken.meta()?.examples?.[0];

/** The query parameters of every list. */
export const paging = {
  pageSize: z
    .string()
    .regex(/^-?\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(PAGE_SIZE.most))
    .default(PAGE_SIZE.default)
    .meta({
      description: 'How many at most',
      override: { type: 'integer', minimum: 1, maximum: PAGE_SIZE.most, default: PAGE_SIZE.default, pattern: undefined },
    }),
  pageToken: pageToken.optional().meta({ description: 'The `nextPageToken` of the page before', examples: [EXAMPLE_TOKEN] }),
};

/** A page of a list. */
export function pageSchema<S extends z.ZodType>(item: S, id: string) {
  return z
    .strictObject({ items: z.array(item), nextPageToken: z.string().optional().meta({ description: 'Absent on the last page' }) })
    .meta({ id, examples: [{ items: item.meta()?.examples ?? [], nextPageToken: EXAMPLE_TOKEN }] });
}

/** The answer to who asked for a page of a list. @param nextPageToken empty on the last page */
export const pageOf = <Item>(items: Item[], nextPageToken: string) => ({
  status: 200 as const,
  body: { items, ...(nextPageToken ? { nextPageToken } : {}) },
});
