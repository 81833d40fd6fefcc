import { type Database, type Query, sql } from '#platform/postgres/database.ts';
import { MOST_TAG_IDS } from '#platform/validation/group-fields.ts';

// Tags, as they are found and read. What carries one has an ID of it; what that ID is called, the set of the group that it is in says, whenever
// that is asked. So a set that changes is one row, however much carries a tag of it.

/** A tag by which things are found. */
export interface SoughtTag {
  /** Its name, in the form in which names are compared. */
  key: string;
  /** The IDs by which tags of this name are carried; undefined: they are more than one set has, so what carries one is everywhere. */
  ids: readonly string[] | undefined;
}

/**
 * A tag, with the IDs by which tags of its name are carried. They are asked for before what carries them is: by their values the database knows
 * how much that is, and so how to find it.
 *
 * @param of the groups of whose sets these are: a condition on `o`
 * @throws CALLER_GONE once the signal has aborted
 */
export async function seekTag(db: Database, key: string, of: Query, signal?: AbortSignal): Promise<SoughtTag> {
  if (key.includes('\0')) return { key, ids: [] };
  const rows = await db.query<{ id: string }>(
    sql`
    select jsonb_array_elements_text(one->'ids') as id from groups o, jsonb_array_elements(o.tag_set) one
    where o.tag_keys @> array[${key}] and one->>'key' = ${key} and o.gone_at is null and ${of} limit ${MOST_TAG_IDS + 1}`,
    signal,
  );
  return { key, ids: rows.length > MOST_TAG_IDS ? undefined : rows.map(({ id }) => id) };
}

/**
 * Whether a tag is carried by these IDs. Where there are too many to be looked for by their values, that is looked up for each row.
 *
 * @param of the group of whose set these are: a condition on `o`
 */
export const carries = (tagIds: Query, { key, ids }: SoughtTag, of: Query): Query =>
  ids
    ? sql`${tagIds} && ${[...ids]}::text[]`
    : sql`(cardinality(${tagIds}) > 0 and exists (
        select from groups o, jsonb_array_elements(o.tag_set) one
        where one->>'key' = ${key} and one->'ids' ?| ${tagIds} and o.gone_at is null and ${of}
      ))`;

/**
 * The names of the tags that are carried by these IDs, in the order of their set: that of an array's elements. (To sort them would cost
 * more than all the rest, for each row.)
 * @param of the group of whose set they are: a condition on `o`
 */
export const namesOfTags = (tagIds: Query, of: Query): Query => sql`
  case when cardinality(${tagIds}) > 0 then array(
    select one->>'name' from groups o, jsonb_array_elements(o.tag_set) one
    where one->'ids' ?| ${tagIds} and o.gone_at is null and ${of}
  ) else '{}' end`;
