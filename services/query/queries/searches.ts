import type { z } from 'zod';
import { Turns } from '#platform/concurrency/turns.ts';
import { type Cursor, fromPageToken, type Page, toPageToken } from '../cursor.ts';
import { requirePageSize } from '../domain.ts';
import type { Found, Reading, Search } from '../search.ts';

/** Half of the pool's connections: the others are left to what is quick, and to the projections. */
const SEARCHES_AT_ONCE = 4;
/** Searches that may wait for their turn. */
const SEARCHES_WAITING = 64;
/** With the longest search, less than callers wait. */
const LONGEST_WAIT_MS = 2_500;
const LONGEST_SEARCH_MS = 2_000;

/** How long one search may take, and the turns of all. */
export interface Searches {
  turns: Turns;
  longestMs: number;
}

/** The searches of one process. */
export const newSearches = (): Searches => ({
  turns: new Turns(SEARCHES_AT_ONCE, { places: SEARCHES_WAITING, longestWaitMs: LONGEST_WAIT_MS }),
  longestMs: LONGEST_SEARCH_MS,
});

/** Who reads a list, and whether no index finds what is listed, so that many rows may be looked at for few. */
interface Reader {
  isSought: boolean;
  memberId: string;
  signal: AbortSignal | undefined;
}

/**
 * Reads a list: what is sought takes turns with searches, member by member, and is cut as they are; the rest is read at once.
 *
 * @throws CALLER_GONE; TOO_BUSY when too many search, or it takes too long
 */
export const inTurn = <Result>(
  { turns, longestMs }: Searches,
  { isSought, memberId, signal }: Reader,
  read: (reading: Reading) => Promise<Result>,
): Promise<Result> => (isSought ? turns.take(() => read({ longestMs, signal }), { name: memberId, signal }) : read({ signal }));

/** No query has this word: a page token of those in whom words are found, but do not begin. */
const OTHERS = '\0others';

/** A list, and what is looked for in it. */
interface Asked {
  /** What the list is of, with the words: a page token is good for that and no other. */
  asked: readonly string[];
  words: readonly string[];
  pageSize: number;
  pageToken: string;
  /** Who asks. */
  memberId: string;
  /** What the value of a place can be; absent: any name. */
  value?: z.ZodType<string>;
  /** Whether no index finds what is listed, so that many rows may be looked at for few: then it takes turns, too. */
  isSought?: boolean;
}

/** How a page of the list is read: of all, or of what is found. */
interface Ways<Item> {
  all(page: Page, reading: Reading): Promise<Item[]>;
  find(search: Search, page: Page): Promise<Found<Item>>;
}

/**
 * A page of a list in which words are looked for, by name, then ID: first that of which a word begins with each.
 *
 * Searches take turns, member by member: they may take long, and the rest of the queries must not wait for them.
 *
 * @param cursorOf what the next page begins after
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE; TOO_BUSY when too many search, or one search takes too long
 */
export async function searched<Item>(
  searches: Searches,
  { asked, words, pageSize, pageToken, memberId, value, isSought = false }: Asked,
  { all, find }: Ways<Item>,
  cursorOf: (item: Item) => Cursor,
  signal?: AbortSignal,
): Promise<{ items: Item[]; nextPageToken: string }> {
  const size = requirePageSize(pageSize);
  const { after, others } = placeOf(asked, pageToken, value);
  // One more than asked for tells whether there is a next page.
  const page = { after, limit: size + 1 };
  const reader = { memberId, signal };
  const { longestMs } = searches;
  const found =
    words.length === 0
      ? { items: await inTurn(searches, { ...reader, isSought }, (reading) => all(page, reading)), beginning: page.limit }
      : await inTurn(searches, { ...reader, isSought: true }, () => find({ words, longestMs, others }, page));
  const items = found.items.slice(0, size);
  const last = items.at(-1);
  const token = () => last && toPageToken(items.length <= found.beginning ? asked : [...asked, OTHERS], cursorOf(last));
  return { items, nextPageToken: (found.items.length > size && token()) || '' };
}

/** Where a page begins. @throws PAGE_TOKEN_INVALID */
function placeOf(
  asked: readonly string[],
  token: string,
  value?: z.ZodType<string>,
): { after: Cursor | undefined; others: boolean } {
  if (token === '') return { after: undefined, others: false };
  try {
    return { after: fromPageToken(asked, token, value), others: false };
  } catch {
    return { after: fromPageToken([...asked, OTHERS], token), others: true };
  }
}
