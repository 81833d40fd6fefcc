import { Turns } from '#platform/concurrency/turns.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { ListMembersRequest, ListMembersResponse } from '#proto/musubi/query/v1/query.ts';
import { fromPageToken, requirePageSize, searchWords, toPageToken } from '../domain.ts';
import { allMembers, findMembers, type Page } from '../store.ts';

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

/**
 * A page of the members, by display name, then ID: all, or those in whose display name, login or
 * e-mail every word of the query is found, without regard to case and width.
 *
 * Searches take turns, member by member: they may take long, and the rest of the queries must not wait for them.
 *
 * @param request `memberId` is that of who asks
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE; TOO_BUSY when too many search, or one search takes too long
 */
export async function listMembers(
  { db, searches }: { db: Database; searches: Searches },
  { query, pageSize, pageToken, memberId }: ListMembersRequest,
  signal?: AbortSignal,
): Promise<ListMembersResponse> {
  const words = searchWords(query);
  const size = requirePageSize(pageSize);
  // One more than asked for tells whether there is a next page.
  const page: Page = { after: pageToken === '' ? undefined : fromPageToken(words, pageToken), limit: size + 1 };
  const { turns, longestMs } = searches;
  const found =
    words.length === 0
      ? await allMembers(db, page, signal)
      : await turns.take(() => findMembers(db, { words, longestMs, ...page }), { name: memberId, signal });
  const members = found.slice(0, size);
  const last = members.at(-1);
  return { members, nextPageToken: found.length > size && last ? toPageToken(words, last) : '' };
}
