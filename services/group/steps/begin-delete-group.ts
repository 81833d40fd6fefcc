import type { Step } from '#platform/operations/postgres.ts';
import type { BeginDeleteGroupRequest, BeginDeleteGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { groupNotEmpty } from '../refusals.ts';
import { heightOf, markDoomed, requireStill, unmarkDoomed } from '../tree/tree.ts';
import { type Kept, lockGroup } from './lock.ts';

const locked = lockGroup<BeginDeleteGroupRequest>({ tree: 'whole', ofArchived: true })<BeginDeleteGroupResponse>(
  async (tx, { group: { groupId }, request: { cascade }, jobId }) => {
    if ((await heightOf(tx, groupId)) > 1 && !cascade) throw groupNotEmpty();
    await requireStill(tx, groupId);
    await markDoomed(tx, groupId, jobId);
    return { pending: { change: 'delete', depth: 0 }, result: {} };
  },
);

/**
 * Begins to delete a group with all that is below it: each of them is marked.
 * @throws GROUP_NOT_EMPTY without `cascade`, and as {@link lockGroup}; GROUP_BUSY (retryable) also while another job is at one that is
 *   below it, or at who is in one, or holds one
 */
export const beginDeleteGroup: Step<BeginDeleteGroupRequest, BeginDeleteGroupResponse, Kept> = {
  do: locked.do,
  undo: (tx, { jobId }) => unmarkDoomed(tx, jobId),
};
