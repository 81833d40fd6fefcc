import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { ActivateMemberRequest, ActivateMemberResponse } from '#proto/musubi/member/v1/member.ts';
import { freed, type Member, requireHeld, requireMemberId } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { getMember, saveMember } from '../store.ts';

/**
 * PENDING → ACTIVE: from now on queries show the member.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export const activateMember: Step<ActivateMemberRequest, ActivateMemberResponse> = {
  async do(tx, { operationId, memberId }) {
    const pending = await getMember(tx, requireMemberId(memberId));
    requireHeld(pending, 'REGISTERING', jobOf(operationId));
    const active: Member = {
      ...freed(pending),
      status: 'ACTIVE',
      version: pending.version + 1,
      updatedAt: new Date(),
    };
    await saveMember(tx, active);
    return { result: { written: writtenVersion(active) }, events: [memberEvent('member.activated', active)] };
  },
  undo: 'impossible',
};
