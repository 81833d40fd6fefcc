import { type Database, sql } from '#platform/postgres/database.ts';
import { nameKey } from '#platform/validation/group-fields.ts';
import { GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import type { ListGroupMembersRequest, ListGroupMembersResponse } from '#proto/musubi/query/v1/query.ts';
import { GROUP_MEMBER_COLUMNS, groupMembers } from '../group-member-store.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { seekTag } from '../tag-store.ts';
import { KNOWN, requireGroup } from './group-there.ts';
import { paged } from './paged.ts';
import { requirePosition } from './positions.ts';
import { inTurn, type Searches } from './searches.ts';

/**
 * A page of a group's members that who asks may see, by display name or in another order, with what they are bound to there. Those who are
 * sought by a position, a tag or a filter may be few among many: that takes turns with searches, member by member.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND, POSITION_NOT_FOUND, CALLER_GONE; TOO_BUSY when too many search, or it takes too long
 */
export async function listGroupMembers(
  { db, searches }: { db: Database; searches: Searches },
  { groupId, positionId, seen, memberId, ...page }: ListGroupMembersRequest,
  signal?: AbortSignal,
): Promise<ListGroupMembersResponse> {
  const listing = listingOf(page, GROUP_MEMBER_LIST);
  const tagKey = nameKey(page.tag);
  const boundTo = positionId === '' ? undefined : await whoIsBound(db, groupId, positionId, signal);
  const isNowhere = groupId.includes('\0');
  const tag = tagKey === '' || isNowhere ? undefined : await seekTag(db, tagKey, sql`o.id = ${groupId}`, signal);
  const isSought = boundTo !== undefined || tagKey !== '' || page.filter !== '';
  const { items, nextPageToken } = await paged(
    ['\0members of group', groupId, positionId, tagKey, ...askedIn(listing)],
    page,
    async (page) =>
      isNowhere
        ? []
        : await inTurn(searches, { isSought, memberId, signal }, (reading) =>
            groupMembers(db, { ...page, groupId, seen, boundTo, tag, listing }, reading),
          ),
    ({ joinedAt, member: { displayName, memberId } }) => ({
      name: placed({ joinedAt, displayName }[listing.order.by]),
      id: memberId,
    }),
    placeRule(listing, GROUP_MEMBER_COLUMNS),
  );
  if (items.length === 0) await requireGroup(db, groupId, KNOWN, signal);
  return { members: items, nextPageToken };
}

/** To which position those are bound who hold this one; undefined: everybody in the group holds it, and nobody is bound to it. */
async function whoIsBound(db: Database, groupId: string, positionId: string, signal?: AbortSignal): Promise<string | undefined> {
  await requireGroup(db, groupId, KNOWN, signal);
  const { kind } = await requirePosition(db, groupId, positionId, signal);
  return kind === PositionKind.POSITION_KIND_MEMBER ? undefined : positionId;
}
