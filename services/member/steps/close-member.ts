import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CloseMemberRequest, CloseMemberResponse } from '#proto/musubi/member/v1/member.ts';
import { requireMemberId, requireOpen, requireRegistered, requireVersion } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface Kept {
  memberId: string;
  jobId: string;
}

/**
 * Closes the member to every other job: who comes is refused (MEMBER_DELETING) or, where it reopens, waits (MEMBER_BUSY). A
 * job that holds it goes on undisturbed, to its end or to its undo's; then this job locks it. So a member that sends without
 * end does not hold this job up. Nothing that others can see changes.
 * @throws MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable) while it is being registered
 */
export const closeMember: Step<CloseMemberRequest, CloseMemberResponse, Kept> = {
  async do(tx, { operationId, memberId, expectedVersion, reopens = false }) {
    const jobId = jobOf(operationId);
    const member = await getMember(tx, requireMemberId(memberId));
    requireRegistered(member);
    requireOpen(member, jobId);
    requireVersion(member, expectedVersion);
    await saveMember(tx, { ...member, closedBy: jobId, reopens });
    return { result: {}, kept: { memberId, jobId } };
  },
  /** Opens the member again, whoever holds it: the row is as it was before, its time of change too. */
  async undo(tx, { memberId, jobId }) {
    const member = await findMember(tx, memberId);
    if (member?.closedBy !== jobId) return;
    await saveMember(tx, { ...member, closedBy: null, reopens: false });
  },
};
