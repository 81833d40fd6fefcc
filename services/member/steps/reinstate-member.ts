import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  BeginReinstateRequest,
  BeginReinstateResponse,
  ReinstateMemberRequest,
  ReinstateMemberResponse,
} from '#proto/musubi/member/v1/member.ts';
import { reinstated, requireHeld, requireMemberId, requireSuspended } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { getMember, saveMember } from '../store.ts';
import { lockMember } from './lock-member.ts';

/** Locks the member for this job (REINSTATING). @throws MEMBER_NOT_SUSPENDED, and as {@link lockMember} */
export const beginReinstate = lockMember<BeginReinstateRequest, BeginReinstateResponse>('REINSTATING', () => (member) => {
  requireSuspended(member);
  return { result: {} };
});

/**
 * SUSPENDED → ACTIVE for the job that locked it, which lets go of the member.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export const reinstateMember: Step<ReinstateMemberRequest, ReinstateMemberResponse> = {
  async do(tx, { operationId, memberId }) {
    const held = await getMember(tx, requireMemberId(memberId));
    requireHeld(held, 'REINSTATING', jobOf(operationId));
    const member = reinstated(held, new Date());
    await saveMember(tx, member);
    return { result: { written: writtenVersion(member) }, events: [memberEvent('member.reinstated', member)] };
  },
  undo: 'impossible',
};
