import { type Database, fieldOf, fieldsOf, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import { DEEPEST, ROOT } from '#platform/validation/group-fields.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { GroupView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { groups } from './projections/groups.ts';
import { type Found, find, type Search } from './search.ts';
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

/** Which groups are listed. */
export interface Groups {
  /** Those that who asks may see. */
  seen: Condition | undefined;
  /** Those that carry a tag by one of these IDs, or have one of this name (in the form in which names are compared); absent: all. */
  tag?: { key: string; ids: readonly string[] } | undefined;
  /** Those that this member is in; empty: all. */
  ofMemberId: string;
}

export function groupsPage(conditions: readonly Query[], { seen, tag, ofMemberId, after, limit }: Groups & Page): Query {
  const all = [
    seenIn(sql`t`, seen),
    ...(tag ? [sql`(t.tag_keys @> array[${tag.key}] or ${carries(tag.ids)})`] : []),
    ...(ofMemberId === ''
      ? []
      : [sql`t.id in (select group_id from memberships where member_id = ${ofMemberId} and joined_at is not null)`]),
    ...conditions,
    ...(after ? [sql`(t.name, t.id) > (${after.name}, ${after.id})`] : []),
  ];
  return sql`select ${fieldsFor(seen)} from groups t where ${join(all, sql` and `)} order by t.name, t.id limit ${limit}`;
}

/** @throws CALLER_GONE once the signal has aborted */
export const allGroups = (db: Database, given: Groups & Page, signal?: AbortSignal): Promise<GroupView[]> =>
  viewsOf(db, groupsPage([], given), signal);

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
  after: Below | undefined;
  limit: number;
}

/** The statement of a page of the groups below one: what is less far below it comes first. */
export function subgroupsPage({ groupId, depth, seen, tagIds, after, limit }: Subgroups): Query {
  const wanted = sql`${seenIn(sql`t`, seen)} ${tagIds ? sql`and ${carries(tagIds)}` : sql``}`;
  if (depth === 1) {
    const rest = after ? sql`and (t.name, t.id) > (${after.name}, ${after.id})` : sql``;
    return sql`
      select ${fieldsFor(seen)}, 1 as depth from groups t where t.parent_id = ${groupId} and t.id <> ${groupId} and ${wanted} ${rest}
      order by t.name, t.id limit ${limit}`;
  }
  const rest = after ? sql`and (b.depth, t.name, t.id) > (${after.depth}, ${after.name}, ${after.id})` : sql``;
  // As each is in one group only, nobody but the first can be come upon twice: where it is in a circle, the look-up ends with it.
  return sql`
    with recursive below as (
      select g.id, 1 as depth from groups g where g.parent_id = ${groupId} and g.id <> ${groupId} and g.gone_at is null
      union all
      select g.id, b.depth + 1 from below b join groups g on g.parent_id = b.id
      where g.id <> ${groupId} and g.gone_at is null and b.depth < ${depth})
    select ${fieldsFor(seen)}, b.depth from below b join groups t on t.id = b.id where ${wanted} ${rest}
    order by b.depth, t.name, t.id limit ${limit}`;
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
