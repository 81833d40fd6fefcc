import { type Database, sql } from '#platform/postgres/database.ts';
import { nameKey } from '#platform/validation/group-fields.ts';
import { GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import type { ListGroupMembersRequest, ListGroupMembersResponse } from '#proto/musubi/query/v1/query.ts';
import { GROUP_MEMBER_COLUMNS, groupMembers } from '../group-member-store.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { idsOfTag } from '../tag-store.ts';
import { KNOWN, requireGroup } from './group-there.ts';
import { paged } from './paged.ts';
import { requirePosition } from './positions.ts';

/**
 * A page of a group's members that who asks may see, by display name or in another order, with what they are bound to there.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND, POSITION_NOT_FOUND
 */
export async function listGroupMembers(
  db: Database,
  { groupId, positionId, seen, tag, ...page }: ListGroupMembersRequest,
): Promise<ListGroupMembersResponse> {
  const listing = listingOf(page, GROUP_MEMBER_LIST);
  const tagKey = nameKey(tag);
  const boundTo = positionId === '' ? undefined : await whoIsBound(db, groupId, positionId);
  const tagIds = tagKey === '' || groupId.includes('\0') ? undefined : await idsOfTag(db, tagKey, sql`o.id = ${groupId}`);
  const { items, nextPageToken } = await paged(
    ['\0members of group', groupId, positionId, tagKey, ...askedIn(listing)],
    page,
    async (page) => (groupId.includes('\0') ? [] : await groupMembers(db, { ...page, groupId, seen, boundTo, tagIds, listing })),
    ({ joinedAt, member: { displayName, memberId } }) => ({
      name: placed({ joinedAt, displayName }[listing.order.by]),
      id: memberId,
    }),
    placeRule(listing, GROUP_MEMBER_COLUMNS),
  );
  if (items.length === 0) await requireGroup(db, groupId, KNOWN);
  return { members: items, nextPageToken };
}

/** To which position those are bound who hold this one; undefined: everybody in the group holds it, and nobody is bound to it. */
async function whoIsBound(db: Database, groupId: string, positionId: string): Promise<string | undefined> {
  await requireGroup(db, groupId, KNOWN);
  const { kind } = await requirePosition(db, groupId, positionId);
  return kind === PositionKind.POSITION_KIND_MEMBER ? undefined : positionId;
}
