import { z } from 'zod';
import { type Query, sql } from '#platform/postgres/database.ts';
import { type Operator, parseFilter, type Term } from '#platform/validation/filter.ts';
import type { ListFields } from '#platform/validation/group-lists.ts';
import { type Order, parseOrderBy } from '#platform/validation/order-by.ts';
import { type Cursor, part } from './cursor.ts';

// How lists are filtered and ordered: by a place that is a value and an ID, so that what comes and goes between two pages neither hides
// nor repeats another thing.

/** What is asked of a list. */
export interface Listing<By extends string = string> {
  terms: readonly Term[];
  order: Order<By>;
}

/** What a list has in its fields. */
export interface Column {
  value: Query;
  isTime?: true;
  /** What a word of clients is in the read model. */
  words?: Readonly<Record<string, string>>;
}
/** The columns of a list's fields, by which it is filtered and ordered. */
export type Columns<L extends ListFields> = Readonly<Record<(keyof L['filter'] & string) | L['orderBy'][number], Column>>;

/** What is asked of a list by a request. @throws INVALID_ARGUMENT */
export function listingOf<By extends string>(
  { filter, orderBy }: { filter: string; orderBy: string },
  list: ListFields<By>,
): Listing<By> {
  return { terms: parseFilter(filter, list.filter), order: parseOrderBy(orderBy, list.orderBy) };
}

/** What tells a list from others of its kind, for its page tokens. */
export const askedIn = ({ terms, order }: Listing): string[] => [JSON.stringify(terms), JSON.stringify(order)];

const SIGNS: Record<Operator, Query> = {
  '=': sql`=`,
  '!=': sql`<>`,
  '<': sql`<`,
  '<=': sql`<=`,
  '>': sql`>`,
  '>=': sql`>=`,
};

/** The conditions of a statement that a filter is. */
export const filtered = ({ terms }: Listing, columns: Readonly<Record<string, Column>>): Query[] =>
  terms.map(({ field, operator, value }) => {
    const { value: column, words } = columnOf(columns, field);
    const compared = typeof value === 'string' ? (words?.[value] ?? value) : value;
    return sql`${column} ${SIGNS[operator]} ${compared}`;
  });

function columnOf(columns: Readonly<Record<string, Column>>, field: string): Column {
  const column = columns[field];
  if (!column) throw new Error(`the list has no ${field}`);
  return column;
}

/**
 * The order of a statement, and from where on it goes.
 *
 * @param id what orders those of which the value is the same
 */
export function ordered(
  { order: { by, descending } }: Listing,
  columns: Readonly<Record<string, Column>>,
  id: Query,
  after: Cursor | undefined,
): { rest: Query; by: Query } {
  const { value, isTime } = columnOf(columns, by);
  const place = after && (isTime ? sql`(${new Date(after.name)}::timestamptz, ${after.id})` : sql`(${after.name}, ${after.id})`);
  return {
    rest: place ? sql`(${value}, ${id}) ${descending ? SIGNS['<'] : SIGNS['>']} ${place}` : sql`true`,
    by: descending ? sql`${value} desc, ${id} desc` : sql`${value}, ${id}`,
  };
}

/** What the value of a place is in this order. */
export const placeRule = ({ order: { by } }: Listing, columns: Readonly<Record<string, Column>>): z.ZodType<string> =>
  columnOf(columns, by).isTime ? z.iso.datetime() : part;

/** The value by which a thing stands where it does. */
export const placed = (value: string | Date | undefined): string => (value instanceof Date ? value.toISOString() : (value ?? ''));
