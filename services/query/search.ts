import { type Database, isStatementTimeout, join, type Query, sql } from '#platform/postgres/database.ts';
import type { Page } from './cursor.ts';
import { beginning, containing } from './domain.ts';
import { searchTooSlow } from './refusals.ts';

/** What words are looked for, and for how long at most, ms. */
export interface Search {
  words: readonly string[];
  longestMs: number;
  /** Begin with those in whom the words are found, but do not begin. */
  others: boolean;
}

/** What was found: first that of which words begin with the words that were looked for. */
export interface Found<Item> {
  items: Item[];
  /** How many those are. */
  beginning: number;
}

/**
 * The rows in whose text every word is found: first those of which a word begins with it, then the others.
 *
 * Within a word, less than three characters have no trigram, so they are looked for in every row: it may take long.
 *
 * @param text the column with what words are looked for in (`searchText`)
 * @param pageOf the statement of a page of the rows for which all conditions hold
 * @throws TOO_BUSY when it took too long and was cut
 */
export async function find<Row extends object>(
  db: Database,
  { words, longestMs, others }: Search,
  text: Query,
  { after, limit }: Page,
  pageOf: (conditions: readonly Query[], page: Page) => Query,
): Promise<Found<Row>> {
  const until = performance.now() + longestMs;
  const begun = words.map((word) => sql`${text} like ${beginning(word)}`);
  const first = others ? [] : await within<Row>(db, longestMs, pageOf(begun, { after, limit }));
  const found = { items: first, beginning: first.length };
  if (first.length >= limit) return found;
  const contained = words.map((word) => sql`${text} like ${containing(word)}`);
  const rest = pageOf([...contained, sql`not (${join(begun, sql` and `)})`], {
    after: others ? after : undefined,
    limit: limit - first.length,
  });
  const more = await within<Row>(db, Math.max(1, Math.floor(until - performance.now())), rest);
  return { ...found, items: [...first, ...more] };
}

/** How a list is read that may be long. */
export interface Reading {
  /** Of the caller: once it has aborted, nothing is asked any more. */
  signal?: AbortSignal | undefined;
  /** After so many ms it is cut; default: never. */
  longestMs?: number | undefined;
}

/**
 * The rows of a list.
 *
 * @throws CALLER_GONE once the signal has aborted; TOO_BUSY when it was cut
 */
export const rowsOf = <Row extends object>(db: Database, query: Query, { signal, longestMs }: Reading = {}): Promise<Row[]> =>
  longestMs === undefined ? db.query<Row>(query, signal) : within<Row>(db, longestMs, query);

/** The rows of a query that may take long. @throws TOO_BUSY when it was cut, after so many ms */
export async function within<Row extends object>(db: Database, longestMs: number, query: Query): Promise<Row[]> {
  try {
    return await db.transaction((tx) => {
      tx.defer(sql`select set_config('statement_timeout', ${String(longestMs)}, true)`);
      return tx.query<Row>(query);
    });
  } catch (error) {
    throw isStatementTimeout(error) ? searchTooSlow(error) : error;
  }
}
