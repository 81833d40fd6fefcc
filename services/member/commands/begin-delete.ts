import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import { jobOf, requireFree, requireMemberId, requireVersion } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface UndoData {
  memberId: string;
  jobId: string;
}

/**
 * ACTIVE → DELETING: locks the member for this job. Nothing that others can see changes.
 * @throws MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable)
 */
export async function beginDelete(
  db: Database,
  { operationId, memberId, expectedVersion }: { operationId: string; memberId: string; expectedVersion: number | undefined },
): Promise<Record<string, never>> {
  requireMemberId(memberId);
  const jobId = jobOf(operationId);
  return runOperation<Record<string, never>, UndoData>(db, { operationId, command: 'begin-delete' }, async (tx) => {
    const member = await getMember(tx, memberId);
    requireFree(member, jobId);
    requireVersion(member, expectedVersion);
    await saveMember(tx, { ...member, status: 'DELETING', lockHolder: jobId });
    return { result: {}, undo: { memberId, jobId } };
  });
}

/** Lets go of the member: the row is as it was before, its time of change too. */
export const undoBeginDelete: Undo<UndoData> = async (tx, { memberId, jobId }) => {
  const member = await findMember(tx, memberId);
  if (member?.status !== 'DELETING' || member.lockHolder !== jobId) return;
  await saveMember(tx, { ...member, status: 'ACTIVE', lockHolder: null });
};
