import { failedPrecondition } from '#platform/errors.ts';
import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  BeginSuspendRequest,
  BeginSuspendResponse,
  SuspendMemberRequest,
  SuspendMemberResponse,
} from '#proto/musubi/member/v1/member.ts';
import { requireActive, requireHeld, requireMemberId, suspended, tidyReason } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { getMember, saveMember } from '../store.ts';
import { lockMember } from './lock-member.ts';

/**
 * Locks the member for this job (SUSPENDING), and keeps the reason aside.
 * @throws INVALID_MEMBER, SELF_SUSPENSION, MEMBER_SUSPENDED, and as {@link lockMember}
 */
export const beginSuspend = lockMember<BeginSuspendRequest, BeginSuspendResponse>(
  'SUSPENDING',
  ({ memberId, byMemberId, reason }) => {
    if (byMemberId === memberId) throw failedPrecondition('SELF_SUSPENSION');
    const pendingChanges = { suspensionReason: tidyReason(reason) };
    return (member) => {
      requireActive(member);
      return { pendingChanges, result: {} };
    };
  },
);

/**
 * ACTIVE → SUSPENDED for the job that locked it, which lets go of the member.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export const suspendMember: Step<SuspendMemberRequest, SuspendMemberResponse> = {
  async do(tx, { operationId, memberId }) {
    const active = await getMember(tx, requireMemberId(memberId));
    requireHeld(active, 'SUSPENDING', jobOf(operationId));
    const member = suspended(active, new Date());
    await saveMember(tx, member);
    return { result: { written: writtenVersion(member) }, events: [memberEvent('member.suspended', member)] };
  },
  undo: 'impossible',
};
