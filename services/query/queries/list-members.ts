import { Turns } from '#platform/concurrency/turns.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { ListMembersRequest, ListMembersResponse } from '#proto/musubi/query/v1/query.ts';
import { type Cursor, fromPageToken, toPageToken } from '../cursor.ts';
import { requirePageSize, searchWords } from '../domain.ts';
import { allMembers, type Found, findMembers } from '../store.ts';

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

/** No query has this word: a page token of those in whom words are found, but do not begin. */
const OTHERS = '\0others';

/**
 * A page of the members that who asks may see, by display name, then ID: all, or those in whose display name, login or
 * e-mail every word of the query is found, without regard to case and width: first those of whom a word begins with each.
 *
 * Searches take turns, member by member: they may take long, and the rest of the queries must not wait for them.
 *
 * @param request `memberId` is that of who asks
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE; TOO_BUSY when too many search, or one search takes too long
 */
export async function listMembers(
  { db, searches }: { db: Database; searches: Searches },
  { query, pageSize, pageToken, memberId, seen, roleId }: ListMembersRequest,
  signal?: AbortSignal,
): Promise<ListMembersResponse> {
  const words = searchWords(query);
  const asked = roleId === '' ? words : ['members of', roleId, ...words];
  const size = requirePageSize(pageSize);
  // One more than asked for tells whether there is a next page.
  const limit = size + 1;
  const { after, others } = cursorOf(asked, pageToken);
  const { turns, longestMs } = searches;
  const page = { after, limit, seen, roleId };
  const found: Found =
    words.length === 0
      ? { members: await allMembers(db, page, signal), beginning: limit }
      : await turns.take(() => findMembers(db, { words, longestMs, others, ...page }), { name: memberId, signal });
  const members = found.members.slice(0, size);
  const last = members.at(-1);
  const token = () => last && toPageToken(members.length <= found.beginning ? asked : [...asked, OTHERS], nameOf(last));
  return { members, nextPageToken: (found.members.length > size && token()) || '' };
}

const nameOf = ({ displayName, memberId }: { displayName: string; memberId: string }) => ({ name: displayName, id: memberId });

/** Where a page begins. @throws PAGE_TOKEN_INVALID */
function cursorOf(asked: readonly string[], token: string): { after: Cursor | undefined; others: boolean } {
  if (token === '') return { after: undefined, others: false };
  try {
    return { after: fromPageToken(asked, token), others: false };
  } catch {
    return { after: fromPageToken([...asked, OTHERS], token), others: true };
  }
}
