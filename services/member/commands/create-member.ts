import { runOperation, type Undo } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { jobOf, type Member, type Profile, requireMemberId, requireNotHeldByOthers, tidyProfile } from '../domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from '../events.ts';
import { memberExists } from '../refusals.ts';
import { findMember, insertMember, removeMember } from '../store.ts';

interface UndoData {
  memberId: string;
  jobId: string;
}

/**
 * Creates the member as PENDING, held by the job until ActivateMember.
 * @throws INVALID_MEMBER, MEMBER_EXISTS
 */
export async function createMember(
  db: Database,
  { operationId, memberId, ...given }: { operationId: string; memberId: string } & Profile,
): Promise<{ written: AggregateVersion }> {
  requireMemberId(memberId);
  const profile = tidyProfile(given);
  const jobId = jobOf(operationId);
  return runOperation<{ written: AggregateVersion }, UndoData>(db, { operationId, command: 'create-member' }, async (tx) => {
    const now = new Date();
    const member: Member = {
      ...profile,
      memberId,
      status: 'PENDING',
      pendingChanges: null,
      lockHolder: jobId,
      closedBy: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    if (!(await insertMember(tx, member))) throw memberExists();
    return { result: { written: writtenVersion(member) }, undo: { memberId, jobId }, events: [memberEvent('created', member)] };
  });
}

/** Removes the member. IDs are never used twice, so the versions of a later member can't collide. */
export const undoCreateMember: Undo<UndoData> = async (tx, { memberId, jobId }) => {
  const member = await findMember(tx, memberId);
  if (!member) return;
  requireNotHeldByOthers(member, jobId);
  await removeMember(tx, memberId);
  return { events: [deletedEvent(memberId, member.version + 1)] };
};
