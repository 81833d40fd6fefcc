import type { Database } from '#platform/postgres/database.ts';
import { nameKey } from '#platform/validation/group-fields.ts';
import { GROUP_LIST } from '#platform/validation/group-lists.ts';
import {
  type GetGroupRequest,
  type GetGroupResponse,
  GroupPart,
  type GroupView,
  type ListAncestorsRequest,
  type ListAncestorsResponse,
  type ListGroupsRequest,
  type ListGroupsResponse,
} from '#proto/musubi/query/v1/query.ts';
import { searchWords } from '../domain.ts';
import { allGroups, ancestors, findGroup, findGroups, GROUP_COLUMNS, looksBelow, seekSeenTag } from '../group-store.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { groupNotFound, ordersItself } from '../refusals.ts';
import { listGroupMembers } from './group-members.ts';
import { KNOWN, requireGroup } from './group-there.ts';
import { listPositions } from './positions.ts';
import { inTurn, type Searches, searched } from './searches.ts';
import { listSubgroups } from './subgroups.ts';

/** The first page of a part: as long as lists are by default. */
const FIRST = { pageSize: 0, pageToken: '', tag: '', filter: '', orderBy: '' };

/**
 * A group, and of what is about it the parts that are asked for.
 *
 * @throws GROUP_NOT_FOUND, also for one that is not seen; CALLER_GONE; TOO_BUSY when too many search, or a part takes too long
 */
export async function getGroup(
  of: { db: Database; searches: Searches },
  request: GetGroupRequest,
  signal?: AbortSignal,
): Promise<GetGroupResponse> {
  const { db, searches } = of;
  const { groupId, memberId, seen, seenGroups, seenMembers, include } = request;
  if (groupId.includes('\0')) throw groupNotFound();
  const group = await findGroup(db, { groupId, seen, seenGroups }, signal);
  if (!group) throw groupNotFound();
  const part = async <Part>(name: GroupPart, read: () => Promise<Part>): Promise<Part | undefined> =>
    include.includes(name) ? await read() : undefined;
  const { GROUP_PART_MEMBERS, GROUP_PART_POSITIONS, GROUP_PART_ANCESTORS, GROUP_PART_SUBGROUPS } = GroupPart;
  const [members, positions, above, below] = await Promise.all([
    part(GROUP_PART_MEMBERS, () =>
      listGroupMembers(of, { groupId, memberId, seen: seenMembers, positionId: '', ...FIRST }, signal),
    ),
    part(GROUP_PART_POSITIONS, () => listPositions(db, { groupId, seen, ...FIRST }, signal)),
    part(GROUP_PART_ANCESTORS, () => listAncestors(of, { groupId, memberId, seen: seenGroups }, signal)),
    part(GROUP_PART_SUBGROUPS, () =>
      listSubgroups({ db, turns: searches.turns }, { groupId, depth: 1, seen: seenGroups, memberId, ...FIRST }, signal),
    ),
  ]);
  return { group, members, positions, ancestors: above, subgroups: below };
}

/** No query has this word: a page token of groups is of no other list. */
const OF_GROUPS = '\0groups';

/**
 * A page of the groups that who asks may see, by name, then ID, or in another order: all, or those in whose name every word of the query is
 * found, without regard to case and width, in the order of a search: first those of which a word begins with each.
 *
 * @param request `memberId` is that of who asks
 * @throws as {@link searched}; INVALID_ARGUMENT also where words are looked for in another order
 */
export async function listGroups(
  { db, searches }: { db: Database; searches: Searches },
  { query, pageSize, pageToken, memberId, seen, tag, ofMemberId, membersSeen, filter, orderBy }: ListGroupsRequest,
  signal?: AbortSignal,
): Promise<ListGroupsResponse> {
  const words = searchWords(query);
  if (words.length > 0 && orderBy !== '') throw ordersItself();
  const listing = listingOf({ filter, orderBy }, GROUP_LIST);
  const { by } = listing.order;
  const tagKey = nameKey(tag);
  // What PostgreSQL takes in no text is in none.
  const isNowhere = [tagKey, ofMemberId].some((text) => text.includes('\0'));
  const wanted = async () => ({
    ...{ seen, ofMemberId, membersSeen, listing },
    tag: tagKey === '' ? undefined : await seekSeenTag(db, tagKey, seen, signal),
  });
  const { items, nextPageToken } = await searched(
    searches,
    {
      asked: [OF_GROUPS, tagKey, ofMemberId, ...askedIn(listing), ...words],
      value: placeRule(listing, GROUP_COLUMNS),
      ...{ words, pageSize, pageToken, memberId },
      isSought: tagKey !== '' || filter !== '',
    },
    {
      all: async (page, reading) => (isNowhere ? [] : await allGroups(db, { ...page, ...(await wanted()) }, reading)),
      find: async (search, page) =>
        isNowhere ? { items: [], beginning: 0 } : await findGroups(db, search, { ...page, ...(await wanted()) }),
    },
    (group) => ({ name: placed(group[by]), id: group.groupId }),
    signal,
  );
  return { groups: items, nextPageToken };
}

/**
 * The groups that one is in, of those that who asks may see. Where what is below groups must be looked up for that, it takes turns with searches.
 *
 * @throws GROUP_NOT_FOUND, CALLER_GONE; TOO_BUSY when too many search, or it takes too long
 */
export async function listAncestors(
  { db, searches }: { db: Database; searches: Searches },
  { groupId, seen, memberId }: ListAncestorsRequest,
  signal?: AbortSignal,
): Promise<ListAncestorsResponse> {
  const read = (): Promise<GroupView[]> =>
    inTurn(searches, { isSought: looksBelow(seen), memberId, signal }, (reading) => ancestors(db, groupId, seen, reading));
  const groups = groupId.includes('\0') ? [] : await read();
  if (groups.length === 0) await requireGroup(db, groupId, KNOWN, signal);
  return { groups };
}
