import { z } from 'zod';
import { PAGE_SIZE, pageToken } from '#platform/validation/fields.ts';
import { filterRule } from '#platform/validation/filter.ts';
import type { ListFields } from '#platform/validation/group-lists.ts';
import { orderByRule } from '#platform/validation/order-by.ts';

const EXAMPLE_TOKEN = pageToken.meta()?.examples?.[0];

/** A number from 1 on, as a query has it. @param otherwise where it is absent */
export const wholeNumber = (most: number, otherwise: number, description: string) =>
  z
    .string()
    .regex(/^-?\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(most))
    .default(otherwise)
    .meta({ description, override: { type: 'integer', minimum: 1, maximum: most, default: otherwise, pattern: undefined } });

/** The query parameters of every list. */
export const paging = {
  pageSize: wholeNumber(PAGE_SIZE.most, PAGE_SIZE.default, 'How many at most'),
  pageToken: pageToken.optional().meta({ description: 'The `nextPageToken` of the page before', examples: [EXAMPLE_TOKEN] }),
};

/** The query parameters of a list that is filtered and ordered by these of its fields. */
export function listing({ filter, orderBy }: ListFields) {
  const [filtered, ordered] = [filterRule(filter), orderByRule(orderBy)];
  return {
    filter: filtered.optional().meta({ ...filtered.meta(), examples: [exampleOf(filter)] }),
    orderBy: ordered.optional().meta({ ...ordered.meta(), examples: [`${orderBy[1]} desc`] }),
    ...paging,
  };
}

function exampleOf(fields: ListFields['filter']): string {
  const [time] = Object.entries(fields).find(([, field]) => field === 'time') ?? ['createdAt'];
  return `${'archived' in fields ? 'archived = false AND ' : ''}${time} >= "2026-01-01T00:00:00Z"`;
}

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
