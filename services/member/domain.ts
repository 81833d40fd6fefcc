import { displayName, email, kept, loginId } from '#platform/fields.ts';
import { requireId } from '#platform/id.ts';
import { lockNotHeld, memberBusy, memberDeleting, versionMismatch } from './refusals.ts';

/** What a member is, as others are told. `PENDING`: its registration is not finished, and queries do not show it. */
export type MemberStatus = 'PENDING' | 'ACTIVE';

/** What a job is doing to a member that it holds: the semantic lock of its saga. Others are not told: they see the member as it was. */
export type MemberLock = 'REGISTERING' | 'UPDATING' | 'DELETING';

/** What a member tells about itself. */
export interface Profile {
  loginId: string;
  displayName: string;
  email: string;
}

export interface Member extends Profile {
  memberId: string;
  status: MemberStatus;
  /** What CommitUpdate will apply; null unless it is UPDATING. */
  pendingChanges: Partial<Profile> | null;
  /** Null when nobody is changing it. */
  lock: MemberLock | null;
  /** The job that holds the lock. */
  lockHolder: string | null;
  /** The job that deletes the member, from its first step on: no other may begin with it. It need not hold the lock yet. */
  closedBy: string | null;
  /** 1 at first; grows by 1 with every change that is told to others (so not by a lock). */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The job an operation belongs to: a saga's operation IDs are `${jobId}/${step}`. */
export const jobOf = (operationId: string): string => operationId.split('/', 1)[0] ?? operationId;

/** @throws INVALID_ARGUMENT */
export const requireMemberId = (memberId: string): string => requireId('memberId', memberId);

/**
 * The given fields in the form in which they are kept; absent ones stay absent.
 * @throws INVALID_MEMBER that names every field that breaks its rule
 */
export const tidyChanges = (given: Partial<Profile>): Partial<Profile> =>
  kept({ loginId, displayName, email }, given, 'INVALID_MEMBER');

/** A whole profile in the form in which it is kept. @throws INVALID_MEMBER */
export const tidyProfile = (given: Profile): Profile => ({ ...given, ...tidyChanges(given) });

/**
 * For a job that begins with the member.
 * @throws MEMBER_DELETING when another job deletes it; MEMBER_BUSY (retryable) while any job holds it: what that one
 *   did may still be undone
 */
export function requireFree(member: Member, jobId: string): void {
  requireOpen(member, jobId);
  if (member.lock !== null) throw memberBusy();
}

/** @throws MEMBER_DELETING */
export function requireOpen(member: Member, jobId: string): void {
  if (member.closedBy !== null && member.closedBy !== jobId) throw memberDeleting();
}

/** @throws MEMBER_BUSY (retryable) while its registration may still be undone */
export function requireRegistered(member: Member): void {
  if (member.status === 'PENDING') throw memberBusy();
}

/** @throws VERSION_MISMATCH */
export function requireVersion(member: Member, expected: number | undefined): void {
  if (expected !== undefined && expected !== member.version) throw versionMismatch();
}

/** @throws LOCK_NOT_HELD unless this very job holds the member for that */
export function requireHeld(member: Member, lock: MemberLock, jobId: string): void {
  if (!isHeld(member, lock, jobId)) throw lockNotHeld();
}

export const isHeld = (member: Member, lock: MemberLock, jobId: string): boolean =>
  member.lock === lock && member.lockHolder === jobId;

/** The member, whom nobody holds any more. */
export const freed = (member: Member): Member => ({ ...member, lock: null, lockHolder: null, pendingChanges: null });

/**
 * For an undo that comes after the job let go of the member.
 * @throws MEMBER_BUSY (retryable) while another job holds it: its outcome decides what is left to undo
 */
export function requireNotHeldByOthers(member: Member, jobId: string): void {
  if (member.lockHolder !== null && member.lockHolder !== jobId) throw memberBusy();
}
