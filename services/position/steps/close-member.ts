import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { CloseMemberRequest, CloseMemberResponse } from '#proto/musubi/position/v1/position.ts';
import { closeMember as close, reopenMember } from '../bindings.ts';

/**
 * Closes a member that is being deleted: who begins to change what it is bound to from here on is refused (MEMBER_DELETING), who has begun
 * goes on to its end. Nothing that others can see changes.
 * @throws MEMBER_DELETING
 */
export const closeMember: Step<CloseMemberRequest, CloseMemberResponse, { memberId: string; jobId: string }> = {
  async do(tx, { operationId, memberId }) {
    const jobId = jobOf(operationId);
    await close(tx, requireId('memberId', memberId), jobId);
    return { result: {}, kept: { memberId, jobId } };
  },
  async undo(tx, { memberId, jobId }) {
    await reopenMember(tx, memberId, jobId);
  },
};
