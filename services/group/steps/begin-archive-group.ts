import type { BeginArchiveGroupRequest, BeginArchiveGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { heightOf, requireStill } from '../tree/tree.ts';
import { lockGroup } from './lock.ts';

/**
 * Begins to archive a group: nothing is changed in it any more, and in what is below it.
 * @throws as {@link lockGroup}; GROUP_BUSY (retryable) also while another job is at one that is below it, or at who is in one, or holds one
 */
export const beginArchiveGroup = lockGroup<BeginArchiveGroupRequest>({ tree: 'whole' })<BeginArchiveGroupResponse>(
  async (tx, { group: { groupId } }) => {
    await heightOf(tx, groupId);
    await requireStill(tx, groupId);
    return { pending: { change: 'archive' }, result: {} };
  },
);
