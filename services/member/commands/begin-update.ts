import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import { jobOf, type Profile, requireFree, requireMemberId, requireVersion, tidyChanges } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface UndoData {
  memberId: string;
  jobId: string;
}

/**
 * ACTIVE → UPDATING: locks the member for this job and keeps the changes aside.
 * Nothing that others can see changes, so there is no event and no new version.
 *
 * @returns loginChanges: whether Auth has to know; also of a change of case, or its login would be left behind
 * @throws INVALID_MEMBER, MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable)
 */
export async function beginUpdate(
  db: Database,
  o: { operationId: string; memberId: string; changes: Partial<Profile>; expectedVersion: number | undefined },
): Promise<{ loginChanges: boolean }> {
  const { operationId } = o;
  const memberId = requireMemberId(o.memberId);
  const pendingChanges = tidyChanges(o.changes);
  const jobId = jobOf(operationId);
  return runOperation<{ loginChanges: boolean }, UndoData>(db, { operationId, command: 'begin-update' }, async (tx) => {
    const member = await getMember(tx, memberId);
    requireFree(member, jobId);
    requireVersion(member, o.expectedVersion);
    await saveMember(tx, { ...member, status: 'UPDATING', pendingChanges, lockHolder: jobId });
    const { loginId = member.loginId } = pendingChanges;
    return {
      result: { loginChanges: loginId !== member.loginId },
      undo: { memberId, jobId },
    };
  });
}

/** Lets go of the member: the row is as it was before, its time of change too. */
export const undoBeginUpdate: Undo<UndoData> = async (tx, { memberId, jobId }) => {
  const member = await findMember(tx, memberId);
  if (member?.status !== 'UPDATING' || member.lockHolder !== jobId) return;
  await saveMember(tx, { ...member, status: 'ACTIVE', pendingChanges: null, lockHolder: null });
};
