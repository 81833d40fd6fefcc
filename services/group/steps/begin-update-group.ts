import { ROOT } from '#platform/validation/group-fields.ts';
import type { BeginUpdateGroupRequest, BeginUpdateGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { isFindable, tidyGroup } from '../domain.ts';
import { fromMessage, toMessage } from '../events.ts';
import { rootGroup } from '../refusals.ts';
import { takeName } from '../store.ts';
import { lockGroup } from './lock.ts';

/**
 * Begins to give a group another name, description or visibility. How members come into the whole organisation does not change.
 * @throws INVALID_GROUP, NAME_TAKEN, and as {@link lockGroup}
 */
export const beginUpdateGroup = lockGroup<BeginUpdateGroupRequest>({ tree: 'part', ofRoot: true })<BeginUpdateGroupResponse>(
  async (tx, { group, request }) => {
    const given = { name: request.name, description: request.description, visibility: fromMessage(request.visibility) };
    const { name = group.name, description = group.description, visibility = group.visibility } = tidyGroup(given);
    if (group.groupId === ROOT && visibility !== group.visibility) throw rootGroup();
    if (group.parentId !== null) await takeName(tx, group.parentId, group, name);
    const findableChanges = isFindable(visibility) !== isFindable(group.visibility);
    return {
      pending: { change: 'update', name, description, visibility },
      result: { visibility: toMessage(visibility), findableChanges },
    };
  },
);
