import { z } from 'zod';
import { invalidFields } from '../errors.ts';

// In which order a list is, as clients write it: `createdAt`, `createdAt desc` (https://google.aip.dev/132#ordering).

/** By which of its fields a list is ordered. */
export interface Order<By extends string = string> {
  by: By;
  /** From the last to the first. */
  descending: boolean;
}

const DESCENDING = ' desc';

const waysOf = (fields: readonly string[]): string[] => fields.flatMap((field) => [field, `${field}${DESCENDING}`]);

/** An order as a parameter of a list that can be ordered by these fields, by default by the first. */
export const orderByRule = (fields: readonly string[]) =>
  z.enum(waysOf(fields)).meta({
    description: `By what the list is ordered; default: \`${fields[0]}\`. What changes in just that while pages are turned can be shown twice, or be missed`,
  });

/** @throws INVALID_ARGUMENT */
export function parseOrderBy<By extends string>(text: string, fields: readonly [By, ...By[]]): Order<By> {
  if (text === '') return { by: fields[0], descending: false };
  const descending = text.endsWith(DESCENDING);
  const by = fields.find((field) => field === (descending ? text.slice(0, -DESCENDING.length) : text));
  if (by === undefined) {
    const message = `must be one of ${waysOf(fields).join(', ')}`;
    throw invalidFields([{ field: 'orderBy', code: 'NOT_ONE_OF', message }]);
  }
  return { by, descending };
}
