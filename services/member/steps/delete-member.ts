import type { Step } from '#platform/operations/postgres.ts';
import type { DeleteMemberRequest, DeleteMemberResponse } from '#proto/musubi/member/v1/member.ts';
import { jobOf, type Member, requireHeld, requireMemberId } from '../domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from '../events.ts';
import { getMember, insertMember, removeMember } from '../store.ts';

type Later = 'closedBy' | 'reopens' | 'suspensionReason';

/** The row as it was, with its times as ISO 8601. What rows of earlier releases do not have may be absent. */
type Kept = Omit<Member, 'createdAt' | 'updatedAt' | 'suspendedAt' | Later> &
  Partial<Pick<Member, Later>> & { createdAt: string; updatedAt: string; suspendedAt?: string | null };

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
    return {
      result: { written: writtenVersion({ memberId, version }) },
      kept: {
        ...member,
        createdAt: member.createdAt.toISOString(),
        updatedAt: member.updatedAt.toISOString(),
        suspendedAt: member.suspendedAt?.toISOString() ?? null,
      },
      events: [deletedEvent(memberId, version)],
    };
  },
  /** Puts the row back as it was, still held for the deletion. Its version goes on from the deletion's, so that readers take it. */
  async undo(tx, row) {
    const member: Member = {
      closedBy: null,
      reopens: false,
      suspensionReason: null,
      ...row,
      suspendedAt: row.suspendedAt ? new Date(row.suspendedAt) : null,
      version: row.version + 2,
      createdAt: new Date(row.createdAt),
      updatedAt: new Date(row.updatedAt),
    };
    if (!(await insertMember(tx, member))) return;
    return { events: [memberEvent('updated', member)] };
  },
};
