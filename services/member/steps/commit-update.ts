import { isDeepStrictEqual } from 'node:util';
import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitUpdateRequest, CommitUpdateResponse } from '#proto/musubi/member/v1/member.ts';
import { freed, type Member, type Profile, requireHeld, requireMemberId, requireNotHeldByOthers } from '../domain.ts';
import { memberEvent, writtenVersion } from '../events.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface Kept {
  memberId: string;
  jobId: string;
  changes: Partial<Profile>;
  /** The fields of `changes` as they were. */
  before: Partial<Profile>;
  updatedAt: string;
  /** The version that the commit made. */
  version: number;
}

/**
 * Applies the changes kept aside by BeginUpdate of the same job, and lets go of the member.
 * @throws MEMBER_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitUpdate: Step<CommitUpdateRequest, CommitUpdateResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    const jobId = jobOf(operationId);
    const member = await getMember(tx, requireMemberId(memberId));
    requireHeld(member, 'UPDATING', jobId);
    const changes = member.pendingChanges ?? {};
    const version = member.version + 1;
    const updated: Member = {
      ...freed(member),
      ...changes,
      version,
      updatedAt: new Date(),
    };
    await saveMember(tx, updated);
    return {
      result: { written: writtenVersion(updated) },
      kept: { memberId, jobId, changes, before: fieldsOf(member, changes), updatedAt: member.updatedAt.toISOString(), version },
      keptOf: memberId,
      events: [memberEvent('member.updated', updated)],
    };
  },

  /**
   * Back to the lock of the update with the fields as they were, so that the undo of BeginUpdate finds its lock.
   *
   * Between a commit whose answer was lost and its undo, another job may have changed the member. While it
   * is at it the undo waits (MEMBER_BUSY); afterwards a field is restored only if it still is what this
   * job wrote: the other job's change was not this one's to take back.
   */
  async undo(tx, { memberId, jobId, changes, before, updatedAt, version }) {
    const member = await findMember(tx, memberId);
    if (!member) return;
    requireNotHeldByOthers(member, jobId);
    const ours = Object.fromEntries(
      Object.entries(before).filter(([field]) =>
        isDeepStrictEqual(member[field as keyof Profile], changes[field as keyof Profile]),
      ),
    );
    const restored: Member = {
      ...member,
      ...ours,
      lock: 'UPDATING',
      pendingChanges: changes,
      lockHolder: jobId,
      version: member.version + 1,
      updatedAt: member.version === version ? new Date(updatedAt) : new Date(),
    };
    await saveMember(tx, restored);
    return { events: [memberEvent('member.updated', restored)] };
  },
};

function fieldsOf(member: Member, changes: Partial<Profile>): Partial<Profile> {
  return Object.fromEntries(Object.keys(changes).map((field) => [field, member[field as keyof Profile]]));
}
