import { jobOf } from '#platform/validation/id.ts';
import type { RemoveGroupsRequest, RemoveGroupsResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireGroup } from '../groups/store.ts';
import { type PermittedStep, requireHeldBelow } from '../permitted.ts';

/**
 * Removes a group with all that is below it: nothing is granted there any more, to nobody. They are marked, so that an undo finds them. Who
 * is no administrator must be allowed to delete what is below it, too.
 *
 * @throws GROUP_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS
 */
export const removeGroups: PermittedStep<RemoveGroupsRequest, RemoveGroupsResponse, { jobId: string }> = {
  takesAway: true,
  async do({ store, session }, { operationId, groupId }, author) {
    await requireGroup(store, session, groupId);
    await requireHeldBelow(store, session, author, groupId, 'group.delete');
    const jobId = jobOf(operationId);
    await store.groups.updateMany({ path: groupId, removedBy: { $exists: false } }, { $set: { removedBy: jobId } }, { session });
    return { result: {}, kept: { jobId } };
  },
  async undo({ store, session }, { jobId }) {
    await store.groups.updateMany({ removedBy: jobId }, { $unset: { removedBy: '' } }, { session });
  },
};
