import { z } from 'zod';

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;
const EXAMPLE_TOKEN = 'WyJlTkY4b1ciLCLoirHlrZAiXQ';

/** The query parameters of every list. */
export const paging = {
  pageSize: z
    .string()
    .regex(/^-?\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(DEFAULT_PAGE)
    .meta({
      description: 'How many at most',
      override: { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE, pattern: undefined },
    }),
  pageToken: z
    .string()
    .regex(/^[\w.~+/=-]{1,1024}$/, 'must be the nextPageToken of an answer')
    .optional()
    .meta({ description: 'The `nextPageToken` of the page before', examples: [EXAMPLE_TOKEN] }),
};

/** A page of a list. */
export function pageSchema<S extends z.ZodType>(item: S, id: string) {
  return z
    .strictObject({ items: z.array(item), nextPageToken: z.string().optional().meta({ description: 'Absent on the last page' }) })
    .meta({ id, examples: [{ items: item.meta()?.examples ?? [], nextPageToken: EXAMPLE_TOKEN }] });
}
