import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { ADMIN, requireMemberId } from '../domain.ts';
import { memberRolesEvent, writtenVersion } from '../events.ts';
import { lastAdmin } from '../refusals.ts';
import { addRoles, hasHolder, nextVersion, removeAllRoles, rolesOf } from '../store.ts';

interface UndoData {
  memberId: string;
  removed: string[];
}

/**
 * Takes every role from a member.
 * @throws INVALID_ARGUMENT; LAST_ADMIN when nobody would hold the role "admin" any more
 */
export async function unassignAllRoles(
  db: Database,
  o: { operationId: string; memberId: string },
): Promise<{ written: AggregateVersion }> {
  const { operationId } = o;
  const memberId = requireMemberId(o.memberId);
  return runOperation<{ written: AggregateVersion }, UndoData>(db, { operationId, command: 'unassign-all-roles' }, async (tx) => {
    const [version, removed] = await Promise.all([nextVersion(tx, memberId), removeAllRoles(tx, memberId)]);
    if (removed.includes(ADMIN) && !(await hasHolder(tx, ADMIN))) throw lastAdmin();
    const after = { memberId, version, roleIds: [] };
    return {
      result: { written: writtenVersion(after) },
      undo: { memberId, removed },
      events: [memberRolesEvent('unassigned', after)],
    };
  });
}

/** Gives back what was taken, besides what the member has got since. */
export const undoUnassignAllRoles: Undo<UndoData> = async (tx, { memberId, removed }) => {
  const [version, , roleIds] = await Promise.all([
    nextVersion(tx, memberId),
    addRoles(tx, memberId, removed),
    rolesOf(tx, memberId),
  ]);
  return { events: [memberRolesEvent('assigned', { memberId, version, roleIds })] };
};
