import type { Step } from '#platform/operations/postgres.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { UnassignAllRolesRequest, UnassignAllRolesResponse } from '#proto/musubi/role/v1/role.ts';
import { requireMemberId } from '../domain.ts';
import { memberRolesEvent, writtenRoles } from '../events.ts';
import {
  addRoles,
  hasHolder,
  lockMemberRoles,
  nextVersion,
  releaseMemberRoles,
  removeAllRoles,
  requireNotClosed,
  rolesOf,
} from '../member-roles.ts';
import { lastAdmin, memberRolesBusy } from '../refusals.ts';

interface Kept {
  memberId: string;
  removed: string[];
  /** Absent in what an earlier release kept. */
  jobId?: string;
}

/**
 * Takes every role from a member, which from then on gets none: it is being deleted.
 * @throws INVALID_ARGUMENT; LAST_ADMIN when nobody would hold the role "admin" any more; MEMBER_ROLES_BUSY
 *   (retryable)
 */
export const unassignAllRoles: Step<UnassignAllRolesRequest, UnassignAllRolesResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    requireMemberId(memberId);
    const jobId = jobOf(operationId);
    await requireNotClosed(tx, memberId);
    const [version, isFree, removed] = await Promise.all([
      nextVersion(tx, memberId),
      lockMemberRoles(tx, memberId, jobId, { closed: true }),
      removeAllRoles(tx, memberId),
    ]);
    if (!isFree) throw memberRolesBusy();
    if (removed.includes(ADMIN) && !(await hasHolder(tx, ADMIN))) throw lastAdmin();
    const after = { memberId, version, roleIds: [] };
    return {
      result: { written: writtenRoles(after) },
      kept: { memberId, removed, jobId },
      events: [memberRolesEvent('member-roles.unassigned', after)],
    };
  },
  /** Gives back what was taken, besides what the member has got since. */
  async undo(tx, { memberId, removed, jobId }) {
    if (jobId !== undefined) await releaseMemberRoles(tx, memberId, jobId);
    const [version, , roleIds] = await Promise.all([
      nextVersion(tx, memberId),
      addRoles(tx, memberId, removed),
      rolesOf(tx, memberId),
    ]);
    return { events: [memberRolesEvent('member-roles.assigned', { memberId, version, roleIds })] };
  },
};
