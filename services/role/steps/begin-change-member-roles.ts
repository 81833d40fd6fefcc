import type { Step } from '#platform/operations/postgres.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { BeginChangeMemberRolesRequest, BeginChangeMemberRolesResponse } from '#proto/musubi/role/v1/role.ts';
import { changedRoles, requireMemberId, requireRoleIds } from '../domain.ts';
import { hasHolder, lockMemberRoles, missingRoles, releaseMemberRoles, requireNotClosed, rolesOf } from '../member-roles.ts';
import { lastAdmin, memberRolesBusy, roleNotFound } from '../refusals.ts';

/**
 * Begins to give a member roles, and to take others.
 * @throws MEMBER_DELETING, ROLE_NOT_FOUND, TOO_MANY_ROLES, LAST_ADMIN; MEMBER_ROLES_BUSY (retryable) while another job changes its roles
 */
export const beginChangeMemberRoles: Step<
  BeginChangeMemberRolesRequest,
  BeginChangeMemberRolesResponse,
  { memberId: string; jobId: string }
> = {
  async do(tx, { operationId, memberId, add, remove }) {
    requireMemberId(memberId);
    requireRoleIds([...add, ...remove]);
    const jobId = jobOf(operationId);
    await requireNotClosed(tx, memberId);
    if (!(await lockMemberRoles(tx, memberId, jobId, { add, remove }))) throw memberRolesBusy();
    const missing = await missingRoles(tx, add);
    if (missing.length > 0) throw roleNotFound(missing);
    const roleIds = changedRoles(await rolesOf(tx, memberId), { add, remove });
    if (remove.includes(ADMIN) && !(await hasHolder(tx, ADMIN, memberId))) throw lastAdmin();
    return { result: { roleIds }, kept: { memberId, jobId } };
  },
  /** The member's roles are as they were, and others may change them. */
  undo: (tx, { memberId, jobId }) => releaseMemberRoles(tx, memberId, jobId),
};
