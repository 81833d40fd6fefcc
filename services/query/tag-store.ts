import { type Query, sql } from '#platform/postgres/database.ts';

// Tags, as they are found and read. What carries one has an ID of it; what that ID is called, the set of the group that it is in says, whenever
// that is asked. So a set that changes is one row, however much carries a tag of it.

/**
 * The IDs by which tags of this name are carried.
 * @param tagKey the name, in the form in which names are compared
 * @param of the groups of whose sets these are: a condition on `o`
 */
export const idsOfTag = (tagKey: string, of: Query): Query => sql`
  array(select jsonb_array_elements_text(one->'ids') from groups o, jsonb_array_elements(o.tag_set) one
    where o.tag_keys @> array[${tagKey}] and one->>'key' = ${tagKey} and o.gone_at is null and ${of})`;

/**
 * The names of the tags that are carried by these IDs, in the order of their set.
 * @param of the group of whose set they are: a condition on `o`
 */
export const namesOfTags = (tagIds: Query, of: Query): Query => sql`
  case when cardinality(${tagIds}) > 0 then array(
    select one->>'name' from groups o, jsonb_array_elements(o.tag_set) with ordinality as each (one, place)
    where one->'ids' ?| ${tagIds} and o.gone_at is null and ${of} order by place
  ) else '{}' end`;
