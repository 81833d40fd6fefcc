import type { Step } from '#platform/operations/postgres.ts';
import type { BeginDeleteRequest, BeginDeleteResponse } from '#proto/musubi/member/v1/member.ts';
import { freed, isHeld, jobOf, requireFree, requireMemberId, requireVersion } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface Kept {
  memberId: string;
  jobId: string;
}

/**
 * Locks the member for this job (DELETING). Nothing that others can see changes.
 * @throws MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable)
 */
export const beginDelete: Step<BeginDeleteRequest, BeginDeleteResponse, Kept> = {
  async do(tx, { operationId, memberId, expectedVersion }) {
    const jobId = jobOf(operationId);
    const member = await getMember(tx, requireMemberId(memberId));
    requireFree(member, jobId);
    requireVersion(member, expectedVersion);
    await saveMember(tx, { ...member, lock: 'DELETING', lockHolder: jobId });
    return { result: {}, kept: { memberId, jobId } };
  },
  /** Lets go of the member: the row is as it was before, its time of change too. */
  async undo(tx, { memberId, jobId }) {
    const member = await findMember(tx, memberId);
    if (member && isHeld(member, 'DELETING', jobId)) await saveMember(tx, freed(member));
  },
};
