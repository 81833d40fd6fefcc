import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { DeleteMemberRequest, DeleteMemberResponse } from '#proto/musubi/member/v1/member.ts';
import { AT_FIRST, type Member, requireHeld, requireMemberId, TIMES } from '../domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from '../events.ts';
import { getMember, insertMember, noteDeleted, removeMember, takeBackDeleted } from '../store.ts';

/** The row as it was: as JSON, so its times are text. What rows of earlier releases do not have is absent. */
type Kept = Record<string, unknown> & { version: number };

/**
 * Removes the member that BeginDelete of the same job locked.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export const deleteMember: Step<DeleteMemberRequest, DeleteMemberResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    const member = await getMember(tx, requireMemberId(memberId));
    requireHeld(member, 'DELETING', jobOf(operationId));
    await removeMember(tx, memberId);
    const version = member.version + 1;
    await noteDeleted(tx, { memberId, version });
    return {
      result: { written: writtenVersion({ memberId, version }) },
      kept: { ...member },
      keptOf: memberId,
      events: [deletedEvent(memberId, version)],
    };
  },
  /** Puts the row back as it was, still held for the deletion. Its version goes on from the deletion's, so that readers take it. */
  async undo(tx, row) {
    const times = TIMES.map((field) => [field, row[field] ? new Date(row[field] as string) : null]);
    const member = { ...AT_FIRST, ...row, ...Object.fromEntries(times), version: row.version + 2 } as Member;
    if (!(await insertMember(tx, member))) return;
    await takeBackDeleted(tx, member.memberId);
    return { events: [memberEvent('member.updated', member)] };
  },
};
