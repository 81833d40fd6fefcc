import type { Step } from '#platform/operations/postgres.ts';
import type { BeginUpdateRequest, BeginUpdateResponse } from '#proto/musubi/member/v1/member.ts';
import { freed, isHeld, jobOf, requireFree, requireMemberId, requireVersion, tidyChanges } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface Kept {
  memberId: string;
  jobId: string;
}

/**
 * Locks the member for this job (UPDATING) and keeps the changes aside.
 * Nothing that others can see changes, so there is no event and no new version.
 *
 * The answer's `loginChanges` says whether Auth has to know; also of a change of case, or its login would be left behind.
 * @throws INVALID_MEMBER, MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable)
 */
export const beginUpdate: Step<BeginUpdateRequest, BeginUpdateResponse, Kept> = {
  async do(tx, { operationId, memberId, changes, expectedVersion }) {
    requireMemberId(memberId);
    const pendingChanges = tidyChanges(changes ?? {});
    const jobId = jobOf(operationId);
    const member = await getMember(tx, memberId);
    requireFree(member, jobId);
    requireVersion(member, expectedVersion);
    await saveMember(tx, { ...member, lock: 'UPDATING', pendingChanges, lockHolder: jobId });
    const { loginId = member.loginId } = pendingChanges;
    return { result: { loginChanges: loginId !== member.loginId }, kept: { memberId, jobId } };
  },
  /** Lets go of the member: the row is as it was before, its time of change too. */
  async undo(tx, { memberId, jobId }) {
    const member = await findMember(tx, memberId);
    if (member && isHeld(member, 'UPDATING', jobId)) await saveMember(tx, freed(member));
  },
};
