import { jobOf } from '#platform/validation/id.ts';
import type { RemoveGroupsRequest, RemoveGroupsResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/**
 * Removes a group with all that is below it: nothing is granted there any more, to nobody. They are marked, so that an undo finds them.
 *
 * @throws GROUP_NOT_FOUND
 */
export const removeGroups: PermittedStep<RemoveGroupsRequest, RemoveGroupsResponse, { jobId: string }> = {
  takesAway: true,
  async do({ store, session }, { operationId, groupId }) {
    await requireGroup(store, session, groupId);
    const jobId = jobOf(operationId);
    await store.groups.updateMany({ path: groupId, removedBy: { $exists: false } }, { $set: { removedBy: jobId } }, { session });
    return { result: {}, kept: { jobId } };
  },
  async undo({ store, session }, { jobId }) {
    await store.groups.updateMany({ removedBy: jobId }, { $unset: { removedBy: '' } }, { session });
  },
};
