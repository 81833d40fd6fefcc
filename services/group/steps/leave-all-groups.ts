import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { LeaveAllGroupsRequest, LeaveAllGroupsResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { endMemberships, type Left, restoreMemberships } from '../memberships/leaving.ts';

interface Kept {
  memberId: string;
  left: Left[];
}

/**
 * Has a member that is being deleted, and that the job has closed, be in no group.
 * @throws LOCK_NOT_HELD; MEMBERSHIP_BUSY (retryable) until what had begun before it was closed has ended
 */
export const leaveAllGroups: Step<LeaveAllGroupsRequest, LeaveAllGroupsResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    const { ended, left } = await endMemberships(tx, requireMemberId(memberId), jobOf(operationId));
    return {
      result: { written: ended.map(writtenMembership), groupIds: ended.map(({ groupId }) => groupId) },
      kept: { memberId, left },
      keptOf: memberId,
      events: ended.map(membershipEvent),
    };
  },
  /** It is in those again that are still there. */
  undo: async (tx, { memberId, left }) => ({
    events: (await restoreMemberships(tx, memberId, left)).map(membershipEvent),
  }),
};
