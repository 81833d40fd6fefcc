import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { jobOf, type Member, requireHeld, requireMemberId, requireNotHeldByOthers } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface UndoData {
  memberId: string;
  jobId: string;
  /** When the member had last been changed before, as ISO 8601. */
  updatedAt: string;
}

/**
 * PENDING → ACTIVE: from now on queries show the member.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export async function activateMember(
  db: Database,
  { operationId, memberId }: { operationId: string; memberId: string },
): Promise<{ written: AggregateVersion }> {
  requireMemberId(memberId);
  const jobId = jobOf(operationId);
  return runOperation<{ written: AggregateVersion }, UndoData>(db, { operationId, command: 'activate-member' }, async (tx) => {
    const pending = await getMember(tx, memberId);
    requireHeld(pending, 'PENDING', jobId);
    const active: Member = {
      ...pending,
      status: 'ACTIVE',
      lockHolder: null,
      version: pending.version + 1,
      updatedAt: new Date(),
    };
    await saveMember(tx, active);
    return {
      result: { written: writtenVersion(active) },
      undo: { memberId, jobId, updatedAt: pending.updatedAt.toISOString() },
      events: [memberEvent('activated', active)],
    };
  });
}

/** Back to PENDING. Waits (MEMBER_BUSY) while another job, which saw the member active, holds it. */
export const undoActivateMember: Undo<UndoData> = async (tx, { memberId, jobId, updatedAt }) => {
  const member = await findMember(tx, memberId);
  if (!member) return;
  requireNotHeldByOthers(member, jobId);
  const pending: Member = {
    ...member,
    status: 'PENDING',
    lockHolder: jobId,
    version: member.version + 1,
    updatedAt: new Date(updatedAt),
  };
  await saveMember(tx, pending);
  return { events: [memberEvent('updated', pending)] };
};
