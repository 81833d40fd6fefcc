import { runOperation } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { jobOf, type Member, requireHeld, requireMemberId } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { getMember, saveMember } from '../store.ts';

/**
 * PENDING → ACTIVE: from now on queries show the member. Sagas do it after their pivot, so it has no undo.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export async function activateMember(
  db: Database,
  { operationId, memberId }: { operationId: string; memberId: string },
): Promise<{ written: AggregateVersion }> {
  requireMemberId(memberId);
  const jobId = jobOf(operationId);
  return runOperation<{ written: AggregateVersion }>(db, { operationId, command: 'activate-member' }, async (tx) => {
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
      events: [memberEvent('activated', active)],
    };
  });
}
