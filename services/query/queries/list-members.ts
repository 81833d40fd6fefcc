import type { Database } from '#platform/postgres/database.ts';
import type { ListMembersRequest, ListMembersResponse } from '#proto/musubi/query/v1/query.ts';
import { searchWords } from '../domain.ts';
import { allMembers, findMembers } from '../store.ts';
import { type Searches, searched } from './searches.ts';

/**
 * A page of the members that who asks may see, by display name, then ID: all, or those in whose display name, login or
 * e-mail every word of the query is found, without regard to case and width: first those of whom a word begins with each.
 *
 * @param request `memberId` is that of who asks
 * @throws as {@link searched}
 */
export async function listMembers(
  { db, searches }: { db: Database; searches: Searches },
  { query, pageSize, pageToken, memberId, seen, roleId }: ListMembersRequest,
  signal?: AbortSignal,
): Promise<ListMembersResponse> {
  const words = searchWords(query);
  const asked = roleId === '' ? words : ['members of', roleId, ...words];
  const { items, nextPageToken } = await searched(
    searches,
    { asked, words, pageSize, pageToken, memberId },
    {
      all: (page) => allMembers(db, { ...page, seen, roleId }, signal),
      find: (search, page) => findMembers(db, search, { ...page, seen, roleId }),
    },
    ({ displayName, memberId: id }) => ({ name: displayName, id }),
    signal,
  );
  return { members: items, nextPageToken };
}
