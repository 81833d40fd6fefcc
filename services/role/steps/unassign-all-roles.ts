import type { Step } from '#platform/operations/postgres.ts';
import type { UnassignAllRolesRequest, UnassignAllRolesResponse } from '#proto/musubi/role/v1/role.ts';
import { ADMIN, requireMemberId } from '../domain.ts';
import { memberRolesEvent, writtenVersion } from '../events.ts';
import { lastAdmin } from '../refusals.ts';
import { addRoles, hasHolder, nextVersion, removeAllRoles, rolesOf } from '../store.ts';

interface Kept {
  memberId: string;
  removed: string[];
}

/**
 * Takes every role from a member.
 * @throws INVALID_ARGUMENT; LAST_ADMIN when nobody would hold the role "admin" any more
 */
export const unassignAllRoles: Step<UnassignAllRolesRequest, UnassignAllRolesResponse, Kept> = {
  async do(tx, { memberId }) {
    requireMemberId(memberId);
    const [version, removed] = await Promise.all([nextVersion(tx, memberId), removeAllRoles(tx, memberId)]);
    if (removed.includes(ADMIN) && !(await hasHolder(tx, ADMIN))) throw lastAdmin();
    const after = { memberId, version, roleIds: [] };
    return {
      result: { written: writtenVersion(after) },
      kept: { memberId, removed },
      events: [memberRolesEvent('member-roles.unassigned', after)],
    };
  },
  /** Gives back what was taken, besides what the member has got since. */
  async undo(tx, { memberId, removed }) {
    const [version, , roleIds] = await Promise.all([
      nextVersion(tx, memberId),
      addRoles(tx, memberId, removed),
      rolesOf(tx, memberId),
    ]);
    return { events: [memberRolesEvent('member-roles.assigned', { memberId, version, roleIds })] };
  },
};
