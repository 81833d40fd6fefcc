import { sql, type Transaction } from '#platform/postgres/database.ts';
import { MOST_CARRIED, MOST_TAG_IDS, MOST_TAGS, nameKey } from '#platform/validation/group-fields.ts';
import type { Group, Tag } from '../domain.ts';
import { groupBusy, groupNotFound, tagExists, tagNotFound, tooManyCarried, tooManyMerged, tooManyTags } from '../refusals.ts';
import { keepGroup } from '../store.ts';

// The tags of a group's own set, and what carries them. What carries a tag has an ID of it: so a tag gets another name, becomes one with
// another, or is gone, by one change of the set, however much carries it. What carries an ID that the set does not have carries nothing
// by it; it is dropped with the next change of what carries it.

const byName = (tags: readonly Tag[]): Tag[] => tags.toSorted((a, b) => (a.name < b.name ? -1 : 1));

/** The tags of these names, as they come into a group's set with its next version: no ID is given twice, as no version is. */
export const newTags = ({ groupId, version }: Pick<Group, 'groupId' | 'version'>, names: readonly string[]): Tag[] =>
  byName(names.map((name, index) => ({ name, ids: [`${groupId}.${version + 1}.${index}`] })));

const isCalled = (name: string) => (tag: Tag) => nameKey(tag.name) === nameKey(name);

/** The tag of that name, whatever its case, width and form. */
export const tagOf = (tags: readonly Tag[], name: string): Tag | undefined => tags.find(isCalled(name));

/** The set with a tag, which keeps its name where it is there already. @throws TOO_MANY_TAGS */
export function withTag(group: Pick<Group, 'groupId' | 'version' | 'tags'>, name: string): Tag[] {
  const { tags } = group;
  if (tagOf(tags, name)) return tags;
  if (tags.length >= MOST_TAGS) throw tooManyTags();
  return byName([...tags, ...newTags(group, [name])]);
}

export const withoutTag = (tags: readonly Tag[], name: string): Tag[] => tags.filter((tag) => !isCalled(name)(tag));

/**
 * The set in which a tag has another name.
 *
 * @param merges whether it becomes one with the tag that has this name, where there is one
 * @throws TAG_NOT_FOUND, TAG_EXISTS
 */
export function renamed(tags: readonly Tag[], from: string, name: string, merges: boolean): Tag[] {
  const tag = tagOf(tags, from);
  if (!tag) throw tagNotFound();
  const others = tags.filter((other) => other !== tag);
  const other = tagOf(others, name);
  if (other && !merges) throw tagExists();
  const ids = [...(other?.ids ?? []), ...tag.ids];
  return byName([...others.filter((one) => one !== other), { name, ids }]);
}

/**
 * The set with no more IDs than it can have: where there are more, those that nothing carries, or is about to, are left out.
 *
 * @throws TOO_MANY_TAGS
 */
export async function withFewIds(tx: Transaction, groupId: string, tags: Tag[]): Promise<Tag[]> {
  if (idsOf(tags) <= MOST_TAG_IDS) return tags;
  const rows = await tx.query<{ id: string }>(sql`
    select distinct unnest(tag_ids || coalesce(array(select jsonb_array_elements_text(pending->'tagIds')), '{}')) as id from (
      select tag_ids, pending from groups where parent_id = ${groupId}
      union all select tag_ids, pending from memberships where group_id = ${groupId}
    ) carrying`);
  const carried = new Set(rows.map(({ id }) => id));
  const few = tags.map(({ name, ids }) => ({ name, ids: ids.filter((id, index) => index === 0 || carried.has(id)) }));
  if (idsOf(few) > MOST_TAG_IDS) throw tooManyMerged();
  return few;
}

const idsOf = (tags: readonly Tag[]): number => tags.reduce((sum, { ids }) => sum + ids.length, 0);

/**
 * A group's set, which nobody begins to change until the transaction ends.
 *
 * @throws GROUP_NOT_FOUND; GROUP_BUSY (retryable) while a job changes it
 */
export async function heldTags(tx: Transaction, groupId: string): Promise<Tag[]> {
  const group = await keepGroup(tx, groupId);
  if (!group) throw groupNotFound();
  if (group.pending?.change === 'change-tags') throw groupBusy();
  return group.tags;
}

/**
 * The IDs that something carries once a tag is put on it or taken off; as they were, where that changes nothing.
 *
 * @throws TAG_NOT_FOUND for one that is to be put on, TOO_MANY_TAGS
 */
export function carriedIds(tags: readonly Tag[], before: readonly string[], name: string, isOn: boolean): string[] {
  const tag = tagOf(tags, name);
  if (isOn && !tag) throw tagNotFound();
  const carried = tags.filter(({ ids }) => ids.some((id) => before.includes(id)));
  if (!tag || carried.includes(tag) === isOn) return [...before];
  const after = isOn ? [...carried, tag] : carried.filter((one) => one !== tag);
  if (after.length > MOST_CARRIED) throw tooManyCarried();
  return after.flatMap(({ ids: [first] }) => first ?? []).sort();
}

/** Whether two have the same elements in the same order. */
export const isSame = (some: unknown, others: unknown): boolean => JSON.stringify(some) === JSON.stringify(others);
