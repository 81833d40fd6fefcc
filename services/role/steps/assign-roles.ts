import type { Step } from '#platform/operations/postgres.ts';
import type { AssignRolesRequest, AssignRolesResponse } from '#proto/musubi/role/v1/role.ts';
import { requireMemberId, requireRoleIds } from '../domain.ts';
import { memberRolesEvent, writtenRoles } from '../events.ts';
import { addRoles, missingRoles, nextVersion, removeRoles, requireFreeRoles, rolesOf } from '../member-roles.ts';
import { roleNotFound } from '../refusals.ts';

interface Kept {
  memberId: string;
  /** The roles that the member did not hold before. */
  added: string[];
}

/**
 * Gives a member roles, besides those it has.
 * @throws INVALID_ARGUMENT, ROLE_NOT_FOUND; MEMBER_ROLES_BUSY (retryable)
 */
export const assignRoles: Step<AssignRolesRequest, AssignRolesResponse, Kept> = {
  async do(tx, { memberId, roleIds: given }) {
    requireMemberId(memberId);
    const wanted = requireRoleIds(given);
    // Sent together, run in this order: one round trip.
    const [, missing, version, added, roleIds] = await Promise.all([
      requireFreeRoles(tx, memberId),
      missingRoles(tx, wanted),
      nextVersion(tx, memberId),
      addRoles(tx, memberId, wanted),
      rolesOf(tx, memberId),
    ]);
    if (missing.length > 0) throw roleNotFound(missing, 'roleIds');
    const after = { memberId, version, roleIds };
    return {
      result: { written: writtenRoles(after) },
      kept: { memberId, added },
      events: [memberRolesEvent('member-roles.assigned', after)],
    };
  },
  /**
   * Takes away what this operation gave. It never refuses, not even the last admin: who was not
   * registered completely is no administrator that anybody could count on.
   */
  async undo(tx, { memberId, added }) {
    const [version, , roleIds] = await Promise.all([
      nextVersion(tx, memberId),
      removeRoles(tx, memberId, added),
      rolesOf(tx, memberId),
    ]);
    return { events: [memberRolesEvent('member-roles.unassigned', { memberId, version, roleIds })] };
  },
};
