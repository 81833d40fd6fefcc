import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { LeaveAllGroupsRequest, LeaveAllGroupsResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { endMemberships, type Left, restoreMemberships } from '../memberships.ts';

interface Kept {
  memberId: string;
  jobId: string;
  left: Left[];
}

/**
 * Has a member that is being deleted be in no group, and come into none from then on.
 * @throws MEMBER_DELETING; MEMBERSHIP_BUSY (retryable) while a job changes what it is to one
 */
export const leaveAllGroups: Step<LeaveAllGroupsRequest, LeaveAllGroupsResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    requireMemberId(memberId);
    const jobId = jobOf(operationId);
    const { ended, left } = await endMemberships(tx, memberId, jobId);
    return {
      result: { written: ended.map(writtenMembership), groupIds: ended.map(({ groupId }) => groupId) },
      kept: { memberId, jobId, left },
      keptOf: memberId,
      events: ended.map(membershipEvent),
    };
  },
  /** It is in those again that are still there. */
  undo: async (tx, { memberId, jobId, left }) => ({
    events: (await restoreMemberships(tx, memberId, jobId, left)).map(membershipEvent),
  }),
};
