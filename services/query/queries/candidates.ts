import type { Database } from '#platform/postgres/database.ts';
import {
  GROUP_INVITATION_LIST,
  GROUP_REQUEST_LIST,
  type ListFields,
  MEMBER_EXPULSION_LIST,
  MEMBER_INVITATION_LIST,
  MEMBER_REQUEST_LIST,
} from '#platform/validation/group-lists.ts';
import type { Expulsion, Invitation, JoinRequest } from '#proto/musubi/group/v1/group.ts';
import {
  Candidacy,
  type ListCandidaciesRequest,
  type ListCandidaciesResponse,
  type ListCandidatesRequest,
  type ListCandidatesResponse,
} from '#proto/musubi/query/v1/query.ts';
import { CANDIDACY_COLUMNS, CANDIDATE_COLUMNS, candidacies, candidates } from '../candidate-store.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { KNOWN, requireGroup } from './group-there.ts';
import { paged } from './paged.ts';
import { inTurn, type Searches } from './searches.ts';

/** By what those of a group are filtered and ordered; those who are invited, unless others are asked for. */
const OF_GROUP: Partial<Record<Candidacy, ListFields>> = { [Candidacy.CANDIDACY_REQUESTED]: GROUP_REQUEST_LIST };
/** By what those of a member are. */
const OF_MEMBER: Partial<Record<Candidacy, ListFields>> = {
  [Candidacy.CANDIDACY_REQUESTED]: MEMBER_REQUEST_LIST,
  [Candidacy.CANDIDACY_EXPELLED]: MEMBER_EXPULSION_LIST,
};

interface Told {
  request?: JoinRequest | undefined;
  invitation?: Invitation | undefined;
  expulsion?: Expulsion | undefined;
}

/** What of one of them lists can be ordered by. */
const timesOf = ({ request, invitation, expulsion }: Told): Readonly<Record<string, Date | undefined>> => ({
  requestedAt: request?.requestedAt,
  invitedAt: invitation?.invitedAt,
  expiresAt: invitation?.until,
  expelledAt: expulsion?.expelledAt,
});

/**
 * A page of those who have asked to be let into a group, or are invited, that who asks may see, by display name or in another order. As nobody
 * says how many may ask, those who are sought by a filter, or in another order, take turns with searches, member by member.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND, CALLER_GONE; TOO_BUSY when too many search, or it takes too long
 */
export async function listCandidates(
  { db, searches }: { db: Database; searches: Searches },
  { groupId, candidacy, seen, memberId, ...page }: ListCandidatesRequest,
  signal?: AbortSignal,
): Promise<ListCandidatesResponse> {
  const listing = listingOf(page, OF_GROUP[candidacy] ?? GROUP_INVITATION_LIST);
  const { by } = listing.order;
  const isSought = page.filter !== '' || page.orderBy !== '';
  const { items, nextPageToken } = await paged(
    ['\0candidates', `${candidacy}`, groupId, ...askedIn(listing)],
    page,
    async (page) =>
      groupId.includes('\0')
        ? []
        : await inTurn(searches, { isSought, memberId, signal }, (reading) =>
            candidates(db, { ...page, groupId, candidacy, listing, seen }, reading),
          ),
    ({ member: { displayName, memberId }, ...told }) => ({
      name: by === 'displayName' ? displayName : placed(timesOf(told)[by]),
      id: memberId,
    }),
    placeRule(listing, CANDIDATE_COLUMNS),
  );
  if (items.length === 0) await requireGroup(db, groupId, KNOWN, signal);
  return { candidates: items, nextPageToken };
}

/**
 * A page of what a member is to groups that it is not in, by the groups' IDs or in another order. Of who was never anything it is empty, also of who is not there.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE
 */
export async function listCandidacies(
  db: Database,
  { memberId, groupId, candidacy, seen, ...page }: ListCandidaciesRequest,
  signal?: AbortSignal,
): Promise<ListCandidaciesResponse> {
  const isNowhere = memberId.includes('\0') || groupId.includes('\0');
  const listing = listingOf(page, OF_MEMBER[candidacy] ?? MEMBER_INVITATION_LIST);
  const { by } = listing.order;
  const { items, nextPageToken } = await paged(
    ['\0candidacies', `${candidacy}`, memberId, groupId, ...askedIn(listing)],
    page,
    async (page) => (isNowhere ? [] : await candidacies(db, { ...page, memberId, groupId, candidacy, listing, seen }, signal)),
    ({ groupId, ...told }) => ({ name: by === 'groupId' ? groupId : placed(timesOf(told)[by]), id: groupId }),
    placeRule(listing, CANDIDACY_COLUMNS),
  );
  return { candidacies: items, nextPageToken };
}
