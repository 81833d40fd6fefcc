import { type Database, fieldOf, fieldsOf, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import { DEEPEST, ROOT } from '#platform/validation/group-fields.ts';
import type { GROUP_LIST } from '#platform/validation/group-lists.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { GroupView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { type Columns, filtered, type Listing, ordered } from './listing.ts';
import { groups } from './projections/groups.ts';
import { type Found, find, type Reading, rowsOf, type Search } from './search.ts';
import { isAll, type Listed, seenBy } from './seen.ts';
import { carries, namesOfTags, type SoughtTag, seekTag } from './tag-store.ts';

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

const viewsOf = async (db: Database, query: Query, reading?: Reading): Promise<GroupView[]> =>
  (await rowsOf<GroupView>(db, query, reading)).map(nullsAbsent);

/**
 * @param seenGroups which groups above and below it are seen
 * @throws CALLER_GONE once the signal has aborted
 */
export async function findGroup(
  db: Database,
  { groupId, seen, seenGroups }: { groupId: string; seen: Condition | undefined; seenGroups: Condition | undefined },
  signal?: AbortSignal,
): Promise<GroupView | undefined> {
  const [group] = await viewsOf(
    db,
    sql`select ${fieldsFor(seenGroups)} from groups t where t.id = ${groupId} and ${seenIn(sql`t`, seen)}`,
    { signal },
  );
  return group;
}

/** Whether there is such a group, and `seen` lets see it. @throws CALLER_GONE once the signal has aborted */
export async function isThere(
  db: Database,
  groupId: string,
  seen: Condition | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  const found = await db.query(sql`select 1 from groups t where t.id = ${groupId} and ${seenIn(sql`t`, seen)}`, signal);
  return found.length > 0;
}

/** Whether a condition has all be looked up that is below some groups: that may be most that there are. */
export function looksBelow(condition: Condition | undefined): boolean {
  const kind = condition?.kind;
  switch (kind?.$case) {
    case 'allOf':
    case 'anyOf':
      return kind.value.conditions.some(looksBelow);
    case 'not':
      return looksBelow(kind.value);
    case 'in':
      return kind.value.references.some(({ type, id }) => type === 'Group' && id !== ROOT);
    default:
      return false;
  }
}

/** A tag is seen by who sees the group whose it is. @throws CALLER_GONE once the signal has aborted */
export const seekSeenTag = (db: Database, key: string, seen: Condition | undefined, signal?: AbortSignal): Promise<SoughtTag> =>
  seekTag(db, key, seenIn(sql`o`, seen), signal);

/** What of a set is carried is carried right below the group whose it is. */
const carriedBelow = (tag: SoughtTag, seen: Condition | undefined): Query =>
  carries(sql`t.tag_ids`, tag, sql`o.id = t.parent_id and ${seenIn(sql`o`, seen)}`);

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
  /** Those that carry this tag, or have one of its name; absent: all. */
  tag?: SoughtTag | undefined;
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
    ...(tag ? [sql`(t.tag_keys @> array[${tag.key}] or ${carriedBelow(tag, seen)})`] : []),
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

/** @throws as {@link rowsOf} */
export const allGroups = (db: Database, given: Groups & Page, reading?: Reading): Promise<GroupView[]> =>
  viewsOf(db, groupsPage([], given), reading);

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
  /** Those that carry this tag; absent: all. */
  tag?: SoughtTag | undefined;
  listing: Listing;
  after: Below | undefined;
  limit: number;
}

/** The statement of a page of the groups below one: what is less far below it comes first. */
export function subgroupsPage({ groupId, depth, seen, tag, listing, after, limit }: Subgroups): Query {
  const { rest, by } = ordered(listing, GROUP_COLUMNS, sql`t.id`, after);
  const wanted = [seenIn(sql`t`, seen), ...(tag ? [carriedBelow(tag, seen)] : []), ...filtered(listing, GROUP_COLUMNS)];
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

/** @throws CALLER_GONE once the signal has aborted */
export const subgroups = async (db: Database, given: Subgroups, signal?: AbortSignal): Promise<Subgroup[]> =>
  (await db.query<Subgroup>(subgroupsPage(given), signal)).map(nullsAbsent);

/**
 * The groups that one is in, from the topmost down. The look-up goes no further than groups can be above each other.
 *
 * @throws as {@link rowsOf}
 */
export const ancestors = (db: Database, groupId: string, seen: Condition | undefined, reading?: Reading): Promise<GroupView[]> =>
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
    reading,
  );
