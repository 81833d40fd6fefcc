import type { Step } from '#platform/operations/postgres.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CloseGroupRequest, CloseGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { groupNotFound, rootGroup } from '../refusals.ts';
import { findGroup } from '../store.ts';
import { closeTree, reopenTree } from '../tree/tree.ts';

/**
 * Closes a group, with all that is below it, to what is begun later (GROUP_BUSY). What holds something there goes on undisturbed, to its end
 * or to its undo's; then the job takes the group. So who sends without end what is done below it does not hold the job up. Of two such jobs the one
 * that came first takes it first. Nothing that others can see changes.
 * @throws GROUP_NOT_FOUND, ROOT_GROUP
 */
export const closeGroup: Step<CloseGroupRequest, CloseGroupResponse, { jobId: string }> = {
  async do(tx, { operationId, groupId }) {
    const jobId = jobOf(operationId);
    if (!(await findGroup(tx, groupId))) throw groupNotFound();
    if (groupId === ROOT) throw rootGroup();
    await closeTree(tx, groupId, jobId);
    return { result: {}, kept: { jobId } };
  },
  undo: (tx, { jobId }) => reopenTree(tx, jobId),
};
