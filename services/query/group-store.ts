import { type Database, fieldOf, fieldsOf, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import { DEEPEST, ROOT } from '#platform/validation/group-fields.ts';
import type { GROUP_LIST } from '#platform/validation/group-lists.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { GroupView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { type Columns, filtered, type Listing, ordered } from './listing.ts';
import { groups } from './projections/groups.ts';
import { type Found, find, type Search, within } from './search.ts';
import { isAll, type Listed, seenBy } from './seen.ts';
import { idsOfTag, namesOfTags } from './tag-store.ts';

// Groups, as they are read. Of each only its parent is kept: what is above and below it is looked up. Events of several groups come in
// any order, so that for a moment groups may be in a circle, or below what is not there: no look-up goes on for ever.

/** Of a group's columns those that are not shown as they are. */
const OTHERS: readonly string[] = ['parent_id', 'tag_keys', 'tag_set', 'tag_ids', 'search'];
const SHOWN = groups.columns.filter((column) => !OTHERS.includes(column)).map(fieldOf);

/** These groups, and all that is below them. What is in a circle is come upon twice, which `union` leaves out. */
const subtrees = (ids: readonly string[]): Query => sql`
  with recursive below as (
    select unnest(${[...ids]}::text[]) collate "C" as id
    union select g.id from groups g join below b on g.parent_id = b.id where g.gone_at is null)
  select id from below`;

/** Where groups have what conditions look at. @param table their name in the statement */
export const listed = (table: Query): Listed => ({
  id: sql`${table}.id`,
  findable: sql`(${table}.visibility <> 'VISIBILITY_INVITATION')`,
  in: {
    Group: (ids) =>
      // All groups are below the whole organisation. Of others, those below are looked up once for a statement: as a value, they are not joined.
      ids.includes(ROOT) ? sql`true` : sql`coalesce(${table}.id in (${subtrees(ids)}), false)`,
  },
});

/** The groups that are there, and that who asks may see. @param table their name in the statement */
export const seenIn = (table: Query, seen: Condition | undefined): Query =>
  sql`${table}.gone_at is null and ${seenBy(seen, listed(table))}`;

/** A group as it is shown to who may see these: of what is right above and below it, only such. */
function fieldsFor(seen: Condition | undefined): Query {
  const parent = sql`(select p.id from groups p where p.id = t.parent_id and ${seenIn(sql`p`, seen)})`;
  const subgroups = sql`(select count(*)::int from groups c where c.parent_id = t.id and ${seenIn(sql`c`, seen)})`;
  const carriedTags = namesOfTags(sql`t.tag_ids`, sql`o.id = t.parent_id and ${seenIn(sql`o`, seen)}`);
  return sql`
    t.id as "groupId", t.version, ${carriedTags} as "carriedTags", ${isAll(seen) ? sql`t.parent_id` : parent} as "parentId", ${subgroups} as "subgroupCount",
    ${fieldsOf(SHOWN, 't')}`;
}

const viewsOf = async (db: Database, query: Query, signal?: AbortSignal): Promise<GroupView[]> =>
  (await db.query<GroupView>(query, signal)).map(nullsAbsent);

/** @param seenGroups which groups above and below it are seen */
export async function findGroup(
  db: Database,
  { groupId, seen, seenGroups }: { groupId: string; seen: Condition | undefined; seenGroups: Condition | undefined },
): Promise<GroupView | undefined> {
  const [group] = await viewsOf(
    db,
    sql`select ${fieldsFor(seenGroups)} from groups t where t.id = ${groupId} and ${seenIn(sql`t`, seen)}`,
  );
  return group;
}

/** Whether there is such a group, and `seen` lets see it. */
export async function isThere(db: Database, groupId: string, seen: Condition | undefined): Promise<boolean> {
  const found = await db.query(sql`select 1 from groups t where t.id = ${groupId} and ${seenIn(sql`t`, seen)}`);
  return found.length > 0;
}

/** The IDs by which tags of this name are carried. A tag is seen by who sees the group whose it is. */
export const seenIdsOfTag = (db: Database, tagKey: string, seen: Condition | undefined): Promise<string[]> =>
  idsOfTag(db, tagKey, seenIn(sql`o`, seen));
const carries = (tagIds: readonly string[]): Query => sql`t.tag_ids && ${[...tagIds]}::text[]`;

/** Where {@link groupsPage} and {@link subgroupsPage} have what lists of groups are filtered and ordered by. */
export const GROUP_COLUMNS: Columns<typeof GROUP_LIST> = {
  name: { value: sql`t.name` },
  visibility: {
    value: sql`t.visibility`,
    words: { open: 'VISIBILITY_OPEN', request: 'VISIBILITY_REQUEST', invitation: 'VISIBILITY_INVITATION' },
  },
  archived: { value: sql`(t.archived_at is not null)` },
  createdAt: { value: sql`t.created_at`, isTime: true },
  updatedAt: { value: sql`t.updated_at`, isTime: true },
};

/** Which groups are listed. */
export interface Groups {
  /** Those that who asks may see. */
  seen: Condition | undefined;
  /** Those that carry a tag by one of these IDs, or have one of this name (in the form in which names are compared); absent: all. */
  tag?: { key: string; ids: readonly string[] } | undefined;
  /** Those that this member is in; empty: all. */
  ofMemberId: string;
  /** Of those, the ones of which who asks may know who is in them. */
  membersSeen?: Condition | undefined;
  listing: Listing;
}

export function groupsPage(
  conditions: readonly Query[],
  { seen, tag, ofMemberId, membersSeen, listing, after, limit }: Groups & Page,
): Query {
  const { rest, by } = ordered(listing, GROUP_COLUMNS, sql`t.id`, after);
  const all = [
    seenIn(sql`t`, seen),
    ...(tag ? [sql`(t.tag_keys @> array[${tag.key}] or ${carries(tag.ids)})`] : []),
    ...(ofMemberId === ''
      ? []
      : [
          sql`t.id in (select group_id from memberships where member_id = ${ofMemberId} and joined_at is not null)`,
          seenBy(membersSeen, listed(sql`t`)),
        ]),
    ...filtered(listing, GROUP_COLUMNS),
    ...conditions,
    rest,
  ];
  return sql`select ${fieldsFor(seen)} from groups t where ${join(all, sql` and `)} order by ${by} limit ${limit}`;
}

/**
 * @param longestMs after which it is cut; default: never
 * @throws CALLER_GONE once the signal has aborted; TOO_BUSY when it was cut
 */
export const allGroups = async (
  db: Database,
  given: Groups & Page,
  { signal, longestMs }: { signal?: AbortSignal | undefined; longestMs?: number | undefined } = {},
): Promise<GroupView[]> => {
  const page = groupsPage([], given);
  if (longestMs === undefined) return await viewsOf(db, page, signal);
  return (await within<GroupView>(db, longestMs, page)).map(nullsAbsent);
};

/** The groups in whose name every word is found, in the order of {@link find}. @throws TOO_BUSY when it was cut */
export async function findGroups(db: Database, search: Search, given: Groups & Page): Promise<Found<GroupView>> {
  const { items, beginning } = await find<GroupView>(db, search, sql`t.search`, given, (conditions, page) =>
    groupsPage(conditions, { ...given, ...page }),
  );
  return { items: items.map(nullsAbsent), beginning };
}

/** Where a group stands among those below another one. */
export interface Below {
  depth: number;
  name: string;
  id: string;
}

/** Which groups below one are listed. */
export interface Subgroups {
  groupId: string;
  /** How far below. */
  depth: number;
  seen: Condition | undefined;
  /** Those that carry a tag by one of these IDs; absent: all. */
  tagIds?: readonly string[] | undefined;
  listing: Listing;
  after: Below | undefined;
  limit: number;
}

/** The statement of a page of the groups below one: what is less far below it comes first. */
export function subgroupsPage({ groupId, depth, seen, tagIds, listing, after, limit }: Subgroups): Query {
  const { rest, by } = ordered(listing, GROUP_COLUMNS, sql`t.id`, after);
  const wanted = [seenIn(sql`t`, seen), ...(tagIds ? [carries(tagIds)] : []), ...filtered(listing, GROUP_COLUMNS)];
  const all = join(wanted, sql` and `);
  if (depth === 1)
    return sql`
      select ${fieldsFor(seen)}, 1 as depth from groups t
      where t.parent_id = ${groupId} and t.id <> ${groupId} and ${all} and ${rest} order by ${by} limit ${limit}`;
  const further = after ? sql`(b.depth > ${after.depth} or b.depth = ${after.depth} and ${rest})` : sql`true`;
  // As each is in one group only, nobody but the first can be come upon twice: where it is in a circle, the look-up ends with it.
  return sql`
    with recursive below as (
      select g.id, 1 as depth from groups g where g.parent_id = ${groupId} and g.id <> ${groupId} and g.gone_at is null
      union all
      select g.id, b.depth + 1 from below b join groups g on g.parent_id = b.id
      where g.id <> ${groupId} and g.gone_at is null and b.depth < ${depth})
    select ${fieldsFor(seen)}, b.depth from below b join groups t on t.id = b.id where ${all} and ${further}
    order by b.depth, ${by} limit ${limit}`;
}

/** A group below another one, and how far. */
export type Subgroup = GroupView & { depth: number };

export const subgroups = async (db: Database, given: Subgroups): Promise<Subgroup[]> =>
  (await db.query<Subgroup>(subgroupsPage(given))).map(nullsAbsent);

/** The groups that one is in, from the topmost down. The look-up goes no further than groups can be above each other. */
export const ancestors = (db: Database, groupId: string, seen: Condition | undefined): Promise<GroupView[]> =>
  viewsOf(
    db,
    sql`
    with recursive above as (
      select g.parent_id as id, 1 as height from groups g where g.id = ${groupId} and g.gone_at is null
      union all
      select g.parent_id, a.height + 1 from above a join groups g on g.id = a.id
      where g.gone_at is null and a.height < ${DEEPEST})
    select ${fieldsFor(seen)} from (select id, min(height) as height from above group by id) a join groups t on t.id = a.id
    where t.id <> ${groupId} and ${seenIn(sql`t`, seen)} order by a.height desc, t.id`,
  );
