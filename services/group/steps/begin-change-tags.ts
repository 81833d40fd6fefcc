import type { BeginChangeTagsRequest, BeginChangeTagsResponse } from '#proto/musubi/group/v1/group.ts';
import { type Group, type Tag, tidyTags } from '../domain.ts';
import { unknownTagsChange } from '../refusals.ts';
import { renamed, withFewIds, withoutTag, withTag } from '../tags/tags.ts';
import { lockGroup } from './lock.ts';

/**
 * Begins to change a group's own set of tags. What carries one of them is not looked at.
 * @throws INVALID_GROUP, TAG_NOT_FOUND, TAG_EXISTS, TOO_MANY_TAGS, and as {@link lockGroup}
 */
export const beginChangeTags = lockGroup<BeginChangeTagsRequest>({ tree: 'part', ofRoot: true })<BeginChangeTagsResponse>(
  async (tx, { group, request }) => {
    const tags = await withFewIds(tx, group.groupId, changed(group, request));
    return { pending: { change: 'change-tags', tags }, result: {} };
  },
);

function changed(group: Group, { change, merge, ...given }: BeginChangeTagsRequest): Tag[] {
  const { tag, name = tag } = tidyTags(given);
  switch (change) {
    case 'TAGS_CHANGE_PUT':
      return withTag(group, tag);
    case 'TAGS_CHANGE_REMOVE':
      return withoutTag(group.tags, tag);
    case 'TAGS_CHANGE_RENAME':
      return renamed(group.tags, tag, name, merge);
    default:
      throw unknownTagsChange();
  }
}
