import { type Database, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import type { GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { Binding } from '#proto/musubi/position/v1/position.ts';
import type { GroupMember, MemberView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { type Columns, filtered, type Listing, ordered } from './listing.ts';
import { type Reading, rowsOf } from './search.ts';
import { seenBy } from './seen.ts';
import { LISTED, MEMBER_FIELDS, MEMBERS } from './store.ts';
import { carries, namesOfTags, type SoughtTag } from './tag-store.ts';

/** Which members of a group are listed. */
export interface GroupMembers extends Page {
  groupId: string;
  /** Those that who asks may see. */
  seen: Condition | undefined;
  /** Those who are bound to this position; absent: all. */
  boundTo?: string | undefined;
  /** Those who carry this tag of the group's; absent: all. */
  tag?: SoughtTag | undefined;
  listing: Listing;
}

/** Where {@link groupMembersPage} has what members are filtered and ordered by. */
export const GROUP_MEMBER_COLUMNS: Columns<typeof GROUP_MEMBER_LIST> = {
  displayName: { value: sql`m.display_name` },
  joinedAt: { value: sql`s.joined_at`, isTime: true },
};

/** Who is in a group: members of whom both was told, that they are there and that they are in it. */
export function groupMembersPage({ groupId, seen, boundTo, tag, listing, after, limit }: GroupMembers): Query {
  // Of the two that are the same that one whose index is in this order.
  const id = listing.order.by === 'joinedAt' ? sql`s.member_id` : sql`m.id`;
  const { rest, by } = ordered(listing, GROUP_MEMBER_COLUMNS, id, after);
  const all = [
    sql`s.group_id = ${groupId} and s.joined_at is not null`,
    sql`m.visible`,
    seenBy(seen, LISTED),
    ...(boundTo === undefined ? [] : [sql`b.position_ids @> array[${boundTo}]`]),
    ...(tag ? [carries(sql`s.tag_ids`, tag, sql`o.id = ${groupId}`)] : []),
    ...filtered(listing, GROUP_MEMBER_COLUMNS),
    rest,
  ];
  return sql`
    select ${MEMBER_FIELDS}, s.joined_at as "joinedAt", ${namesOfTags(sql`s.tag_ids`, sql`o.id = ${groupId}`)} as tags, coalesce(b.bindings, '[]') as positions
    from ${MEMBERS} join memberships s on s.member_id = m.id left join bindings b on b.id = s.id
    where ${join(all, sql` and `)} order by ${by} limit ${limit}`;
}

type Row = MemberView & { joinedAt: Date; positions: unknown[]; tags: string[] };

/** @throws as {@link rowsOf} */
export async function groupMembers(
  db: Database,
  given: GroupMembers,
  reading?: Reading,
): Promise<(GroupMember & { member: MemberView })[]> {
  const rows = await rowsOf<Row>(db, groupMembersPage(given), reading);
  return rows.map(({ joinedAt, positions, tags, ...member }) => ({
    member: nullsAbsent(member),
    joinedAt,
    tags,
    positions: positions.map((one) => Binding.fromJSON(one)),
  }));
}
