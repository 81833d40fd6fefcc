import { jobOf } from '#platform/validation/id.ts';
import type { RemoveGroupsRequest, RemoveGroupsResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireHeldBelow } from '../groups/giving.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/** So many of the groups that go with one are named in the audit; how many there were, it is told in any case. */
const MOST_NAMED = 100;

/**
 * Removes a group with all that is below it: nothing is granted there any more, to nobody. They are marked, so that an undo finds them. Who
 * is no administrator must be allowed to delete what is below it, too. The audit names what went with it, and says how many went in all.
 *
 * @throws GROUP_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS
 */
export const removeGroups: PermittedStep<RemoveGroupsRequest, RemoveGroupsResponse, { jobId: string }> = {
  takesAway: true,
  async do({ store, session }, { operationId, groupId }, author) {
    await requireGroup(store, session, groupId);
    await requireHeldBelow(store, session, author, groupId, 'group.delete');
    const jobId = jobOf(operationId);
    const all = { path: groupId, removedBy: { $exists: false } };
    // By their IDs they come as they were made.
    const below = store.groups.find({ ...all, _id: { $ne: groupId } }, { session, projection: { _id: 1 } });
    const named = await below.sort({ _id: 1 }).limit(MOST_NAMED).toArray();
    const { modifiedCount } = await store.groups.updateMany(all, { $set: { removedBy: jobId } }, { session });
    const audited = {
      resources: named.map(({ _id: id }) => ({ type: 'Group', id })),
      count: modifiedCount > 1 ? modifiedCount : undefined,
    };
    return { result: {}, kept: { jobId }, audited };
  },
  async undo({ store, session }, { jobId }) {
    await store.groups.updateMany({ removedBy: jobId }, { $unset: { removedBy: '' } }, { session });
  },
};
