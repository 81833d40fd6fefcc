import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import { jobOf, requireMemberId, requireOpen, requireRegistered, requireVersion } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface UndoData {
  memberId: string;
  jobId: string;
}

/**
 * Closes the member to every other job: who comes is refused (MEMBER_DELETING). A job that holds it goes on undisturbed,
 * to its end or to its undo's; BeginDelete of this job then takes over. Nothing that others can see changes.
 * @throws MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable) while it is being registered
 */
export async function closeMember(
  db: Database,
  { operationId, memberId, expectedVersion }: { operationId: string; memberId: string; expectedVersion: number | undefined },
): Promise<Record<string, never>> {
  requireMemberId(memberId);
  const jobId = jobOf(operationId);
  return runOperation<Record<string, never>, UndoData>(db, { operationId, command: 'close-member' }, async (tx) => {
    const member = await getMember(tx, memberId);
    requireRegistered(member);
    requireOpen(member, jobId);
    requireVersion(member, expectedVersion);
    await saveMember(tx, { ...member, closedBy: jobId });
    return { result: {}, undo: { memberId, jobId } };
  });
}

/** Opens the member again, whoever holds it: the row is as it was before, its time of change too. */
export const undoCloseMember: Undo<UndoData> = async (tx, { memberId, jobId }) => {
  const member = await findMember(tx, memberId);
  if (member?.closedBy !== jobId) return;
  await saveMember(tx, { ...member, closedBy: null });
};
