import type { Database } from '#platform/postgres/database.ts';
import type { ListLookalikesRequest, ListLookalikesResponse } from '#proto/musubi/query/v1/query.ts';
import { fromPageToken, toPageToken } from '../cursor.ts';
import { requirePageSize } from '../domain.ts';
import { lookalikes, looksLike } from '../lookalikes.ts';
import type { Searches } from './searches.ts';

/** No query has these words, so a page token of this list is of no other. */
const OF_LOOKALIKES = ['\0lookalikes'];

/**
 * A page of the members whose names look like others', by display name, then ID, with those whom they look like. All members are
 * compared, so it takes its turn among the searches.
 *
 * @throws as listMembers
 */
export async function listLookalikes(
  { db, searches: { turns, longestMs } }: { db: Database; searches: Searches },
  { pageSize, pageToken, memberId }: ListLookalikesRequest,
  signal?: AbortSignal,
): Promise<ListLookalikesResponse> {
  const size = requirePageSize(pageSize);
  const after = fromPageToken(OF_LOOKALIKES, pageToken);
  return await turns.take(
    async () => {
      const found = await lookalikes(db, longestMs, { after, limit: size + 1 });
      const page = found.slice(0, size);
      const whom = await looksLike(
        db,
        longestMs,
        page.map(({ memberId: id }) => id),
      );
      const last = page.at(-1);
      return {
        lookalikes: page.map((member) => ({ member, looksLike: whom.get(member.memberId) ?? [] })),
        nextPageToken:
          found.length > size && last ? toPageToken(OF_LOOKALIKES, { name: last.displayName, id: last.memberId }) : '',
      };
    },
    { name: memberId, signal },
  );
}
