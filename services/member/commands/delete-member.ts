import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { jobOf, type Member, requireHeld, requireMemberId } from '../domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from '../events.ts';
import { getMember, insertMember, removeMember } from '../store.ts';

/** The row as it was, with its times as ISO 8601; `closedBy` is absent in those of earlier releases. */
type UndoData = Omit<Member, 'createdAt' | 'updatedAt' | 'closedBy'> & {
  createdAt: string;
  updatedAt: string;
  closedBy?: string | null;
};

/**
 * Removes the member that BeginDelete of the same job locked.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export async function deleteMember(
  db: Database,
  { operationId, memberId }: { operationId: string; memberId: string },
): Promise<{ written: AggregateVersion }> {
  requireMemberId(memberId);
  return runOperation<{ written: AggregateVersion }, UndoData>(db, { operationId, command: 'delete-member' }, async (tx) => {
    const member = await getMember(tx, memberId);
    requireHeld(member, 'DELETING', jobOf(operationId));
    await removeMember(tx, memberId);
    const version = member.version + 1;
    return {
      result: { written: writtenVersion({ memberId, version }) },
      undo: { ...member, createdAt: member.createdAt.toISOString(), updatedAt: member.updatedAt.toISOString() },
      events: [deletedEvent(memberId, version)],
    };
  });
}

/** Puts the row back as it was, still DELETING. Its version goes on from the deletion's, so that readers take it. */
export const undoDeleteMember: Undo<UndoData> = async (tx, row) => {
  const member: Member = {
    ...row,
    closedBy: row.closedBy ?? null,
    version: row.version + 2,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
  };
  if (!(await insertMember(tx, member))) return;
  return { events: [memberEvent('updated', member)] };
};
