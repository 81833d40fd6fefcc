import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { ClaimBindingsRequest, ClaimBindingsResponse } from '#proto/musubi/position/v1/position.ts';
import { claimBindings as claim, unclaimBindings } from '../bindings.ts';
import { requireGroupId } from '../domain.ts';

interface Kept {
  groupId: string;
  memberId: string;
  jobId: string;
}

/**
 * Has the job be the next one at what a member is bound to in a group: who begins to change that from here on waits until it has, who has begun goes on
 * to its end. It waits for nobody, so those who go on binding the member do not hold it up. Several may be next: then they come one after the other, in any
 * order, and before all others. Whether there is such a group or member is for the step to say that begins.
 *
 * @throws INVALID_ARGUMENT
 */
export const claimBindings: Step<ClaimBindingsRequest, ClaimBindingsResponse, Kept> = {
  async do(tx, request) {
    const kept = {
      groupId: requireGroupId(request.groupId),
      memberId: requireId('memberId', request.memberId),
      jobId: jobOf(request.operationId),
    };
    await claim(tx, kept.groupId, kept.memberId, kept.jobId);
    return { result: {}, kept };
  },
  async undo(tx, { groupId, memberId, jobId }) {
    await unclaimBindings(tx, groupId, memberId, jobId);
  },
};
