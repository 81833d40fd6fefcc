import { type Database, type Query, sql } from '#platform/postgres/database.ts';

// Tags, as they are found and read. What carries one has an ID of it; what that ID is called, the set of the group that it is in says, whenever
// that is asked. So a set that changes is one row, however much carries a tag of it.

/**
 * The IDs by which tags of this name are carried. They are asked for before what carries them is: by their values the database knows how
 * much that is, and so how to find it.
 *
 * @param tagKey the name, in the form in which names are compared
 * @param of the groups of whose sets these are: a condition on `o`
 */
export async function idsOfTag(db: Database, tagKey: string, of: Query): Promise<string[]> {
  if (tagKey.includes('\0')) return [];
  const rows = await db.query<{ id: string }>(sql`
    select jsonb_array_elements_text(one->'ids') as id from groups o, jsonb_array_elements(o.tag_set) one
    where o.tag_keys @> array[${tagKey}] and one->>'key' = ${tagKey} and o.gone_at is null and ${of}`);
  return rows.map(({ id }) => id);
}

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
