import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CloseMemberRequest, CloseMemberResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { closeMember as close, reopenMember } from '../memberships/leaving.ts';

/**
 * Closes a member that is being deleted: who begins to change what it is to a group from here on is refused (MEMBER_DELETING), who has begun
 * goes on to its end. Nothing that others can see changes.
 * @throws MEMBER_DELETING
 */
export const closeMember: Step<CloseMemberRequest, CloseMemberResponse, { memberId: string; jobId: string }> = {
  async do(tx, { operationId, memberId }) {
    const jobId = jobOf(operationId);
    await close(tx, requireMemberId(memberId), jobId);
    return { result: {}, kept: { memberId, jobId } };
  },
  undo: (tx, { memberId, jobId }) => reopenMember(tx, memberId, jobId),
};
