import type { Database } from '#platform/postgres.ts';
import { fromPageToken, type MemberView, requirePageSize, searchWords, toPageToken } from '../domain.ts';
import { findMembers } from '../store.ts';

/**
 * A page of the members, by display name, then ID: all, or those in whose display name, login or
 * e-mail every word of the query is found, without regard to case and width.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function listMembers(
  db: Database,
  { query, pageSize, pageToken }: { query: string; pageSize: number; pageToken: string },
): Promise<{ members: MemberView[]; nextPageToken: string }> {
  const words = searchWords(query);
  const size = requirePageSize(pageSize);
  const after = pageToken === '' ? undefined : fromPageToken(words, pageToken);
  // One more than asked for tells whether there is a next page.
  const found = await findMembers(db, { words, after, limit: size + 1 });
  const members = found.slice(0, size);
  const last = members.at(-1);
  return { members, nextPageToken: found.length > size && last ? toPageToken(words, last) : '' };
}
