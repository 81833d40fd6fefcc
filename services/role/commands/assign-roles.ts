import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { requireMemberId, requireRoleIds } from '../domain.ts';
import { memberRolesEvent, writtenVersion } from '../events.ts';
import { roleNotFound } from '../refusals.ts';
import { addRoles, missingRoles, nextVersion, removeRoles, rolesOf } from '../store.ts';

interface UndoData {
  memberId: string;
  /** The roles that the member did not hold before. */
  added: string[];
}

/**
 * Gives a member roles, besides those it has.
 * @throws INVALID_ARGUMENT, ROLE_NOT_FOUND
 */
export async function assignRoles(
  db: Database,
  o: { operationId: string; memberId: string; roleIds: readonly string[] },
): Promise<{ written: AggregateVersion }> {
  const { operationId } = o;
  const memberId = requireMemberId(o.memberId);
  const wanted = requireRoleIds(o.roleIds);
  return runOperation<{ written: AggregateVersion }, UndoData>(db, { operationId, command: 'assign-roles' }, async (tx) => {
    // Sent together, run in this order: one round trip.
    const [missing, version, added, roleIds] = await Promise.all([
      missingRoles(tx, wanted),
      nextVersion(tx, memberId),
      addRoles(tx, memberId, wanted),
      rolesOf(tx, memberId),
    ]);
    if (missing.length > 0) throw roleNotFound(missing);
    const after = { memberId, version, roleIds };
    return {
      result: { written: writtenVersion(after) },
      undo: { memberId, added },
      events: [memberRolesEvent('assigned', after)],
    };
  });
}

/**
 * Takes away what this operation gave. It never refuses, not even the last admin: who was not
 * registered completely is no administrator that anybody could count on.
 */
export const undoAssignRoles: Undo<UndoData> = async (tx, { memberId, added }) => {
  const [version, , roleIds] = await Promise.all([
    nextVersion(tx, memberId),
    removeRoles(tx, memberId, added),
    rolesOf(tx, memberId),
  ]);
  return { events: [memberRolesEvent('unassigned', { memberId, version, roleIds })] };
};
