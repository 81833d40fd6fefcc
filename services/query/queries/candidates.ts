import type { Database } from '#platform/postgres/database.ts';
import type {
  ListCandidaciesRequest,
  ListCandidaciesResponse,
  ListCandidatesRequest,
  ListCandidatesResponse,
} from '#proto/musubi/query/v1/query.ts';
import { candidacies, candidates } from '../candidate-store.ts';
import { KNOWN, requireGroup } from './group-there.ts';
import { paged } from './paged.ts';

/**
 * A page of those who have asked to be let into a group, or are invited, that who asks may see, by display name, then ID.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND
 */
export async function listCandidates(
  db: Database,
  { groupId, candidacy, seen, ...page }: ListCandidatesRequest,
): Promise<ListCandidatesResponse> {
  const { items, nextPageToken } = await paged(
    ['\0candidates', `${candidacy}`, groupId],
    page,
    async (page) => (groupId.includes('\0') ? [] : await candidates(db, { ...page, groupId, candidacy, seen })),
    ({ member: { displayName, memberId } }) => ({ name: displayName, id: memberId }),
  );
  if (items.length === 0) await requireGroup(db, groupId, KNOWN);
  return { candidates: items, nextPageToken };
}

/**
 * A page of what a member is to groups that it is not in, by the groups' IDs. Of who was never anything it is empty, also of who is not there.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function listCandidacies(
  db: Database,
  { memberId, groupId, candidacy, seen, ...page }: ListCandidaciesRequest,
): Promise<ListCandidaciesResponse> {
  const isNowhere = memberId.includes('\0') || groupId.includes('\0');
  const { items, nextPageToken } = await paged(
    ['\0candidacies', `${candidacy}`, memberId, groupId],
    page,
    async (page) => (isNowhere ? [] : await candidacies(db, { ...page, memberId, groupId, candidacy, seen })),
    ({ groupId }) => ({ name: '', id: groupId }),
  );
  return { candidacies: items, nextPageToken };
}
