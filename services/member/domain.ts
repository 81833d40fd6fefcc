import { failedPrecondition, invalidFields } from '#platform/errors.ts';
import { type Attributes, attributes, attributesPatch, mergePatch } from '#platform/validation/attributes.ts';
import { displayName, email, kept, locale, loginId, reason, timeZone } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { lockNotHeld, memberBusy, memberDeleting, versionMismatch } from './refusals.ts';

/**
 * What a member is, as events say it.
 * - `PENDING`: its registration is not finished, and queries do not show it
 * - `SUSPENDED`: it can not log in
 */
export type MemberStatus = (typeof STATUSES)[number];
/** The database knows the same (`status_known`). */
export const STATUSES = ['PENDING', 'ACTIVE', 'SUSPENDED'] as const;

/** What a job is doing to a member that it holds: the semantic lock of its saga. No event tells of it: others see the member as it was. */
export type MemberLock = (typeof LOCKS)[number];
/** The database knows the same (`lock_known`). */
export const LOCKS = ['REGISTERING', 'UPDATING', 'DELETING', 'SUSPENDING', 'REINSTATING'] as const;

/** What a member tells about itself. */
export interface Profile {
  loginId: string;
  displayName: string;
  email: string;
  /** A language tag in canonical form; null: it says none. */
  locale: string | null;
  /** The name of a time zone; null: it says none. */
  timeZone: string | null;
  /** What fitted the schema when the member was changed last. */
  attributes: Attributes;
}

export interface Member extends Profile {
  memberId: string;
  status: MemberStatus;
  /** What the job that holds it will apply in the end; null unless it is UPDATING or SUSPENDING. */
  pendingChanges: Partial<Profile & { suspensionReason: string | null }> | null;
  /** Null when nobody is changing it. */
  lock: MemberLock | null;
  /** The job that holds the lock. */
  lockHolder: string | null;
  /** Null unless it is suspended. */
  suspendedAt: Date | null;
  /** Why it is suspended; null when nobody said. */
  suspensionReason: string | null;
  /** The job that has closed the member, from its first step on: no other may begin with it. It need not hold the lock yet. */
  closedBy: string | null;
  /** Whether that job lets the member go in the end. False: it deletes the member. */
  reopens: boolean;
  /** 1 at first; grows by 1 with every change that has an event (so not by a lock). */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** What a member is at first, unless its registration says more: nobody holds it, and it has no event yet. */
export const AT_FIRST: Omit<Member, 'loginId' | 'displayName' | 'email' | 'memberId' | 'createdAt' | 'updatedAt'> = {
  status: 'PENDING',
  pendingChanges: null,
  lock: null,
  lockHolder: null,
  suspendedAt: null,
  suspensionReason: null,
  closedBy: null,
  reopens: false,
  version: 1,
  locale: null,
  timeZone: null,
  attributes: {},
};

/** Its times: JSON has them as text. */
export const TIMES = ['createdAt', 'updatedAt', 'suspendedAt'] as const satisfies (keyof Member)[];

/** All that a member has. */
export const MEMBER_FIELDS = [
  ...(['memberId', 'loginId', 'displayName', 'email', 'createdAt', 'updatedAt'] as const),
  ...(Object.keys(AT_FIRST) as (keyof typeof AT_FIRST)[]),
];

/** @throws INVALID_ARGUMENT */
export const requireMemberId = (memberId: string): string => requireId('memberId', memberId);

/** A reason in the form in which it is kept; null: none was given. @throws INVALID_MEMBER */
export const tidyReason = (given: string | undefined): string | null =>
  kept({ reason }, { reason: given }, 'INVALID_MEMBER').reason ?? null;

const PROFILE = { loginId, displayName, email, locale, timeZone };

/** What a registration says of a member; absent: it says nothing of it. */
export interface NewProfile {
  loginId: string;
  displayName: string;
  email: string;
  locale?: string | undefined;
  timeZone?: string | undefined;
  attributes?: unknown;
}

/** A profile in the form in which it is kept. @throws INVALID_MEMBER that names every field that breaks its rule */
export function tidyProfile({ loginId, displayName, email, ...others }: NewProfile): Profile {
  const required = { loginId, displayName, email };
  const {
    locale = null,
    timeZone = null,
    attributes: own = {},
    ...given
  } = kept({ ...PROFILE, attributes }, { ...required, ...others }, 'INVALID_MEMBER');
  return { ...required, ...given, locale, timeZone, attributes: own };
}

/**
 * A login that looks like an e-mail address is one: nobody logs in by the address of another.
 * @throws INVALID_MEMBER
 */
export function requireOwnLogin({ loginId, email }: Pick<Profile, 'loginId' | 'email'>): void {
  if (!loginId.includes('@') || loginId.toLowerCase() === email.toLowerCase()) return;
  const message = 'must have no @, unless it is the email of the member';
  throw invalidFields([{ field: 'loginId', code: 'INVALID', message }], 'INVALID_MEMBER');
}

/** What is asked to be changed; absent: it stays as it is. */
export interface Changes {
  loginId?: string | undefined;
  displayName?: string | undefined;
  email?: string | undefined;
  /** Empty: it is removed. */
  locale?: string | undefined;
  /** Empty: it is removed. */
  timeZone?: string | undefined;
  /** A merge patch (RFC 7396); null: all are removed. */
  attributes?: unknown;
}

/**
 * The changes in the form in which they are kept, of a profile as it is; fields that are not to be changed are absent.
 * @throws INVALID_MEMBER that names every field that breaks its rule
 */
export function tidyChanges(given: Changes): (profile: Pick<Profile, 'attributes'>) => Partial<Profile> {
  const patch = given.attributes === null ? undefined : given.attributes;
  const { attributes: patched, ...fields } = kept(
    { ...PROFILE, attributes: attributesPatch },
    { ...given, locale: given.locale || undefined, timeZone: given.timeZone || undefined, attributes: patch },
    'INVALID_MEMBER',
  );
  const changes: Partial<Profile> = {
    ...fields,
    ...(given.locale === '' ? { locale: null } : {}),
    ...(given.timeZone === '' ? { timeZone: null } : {}),
  };
  return (profile) => {
    if (given.attributes === undefined) return changes;
    const merged = given.attributes === null ? {} : mergePatch(profile.attributes, patched);
    const { attributes: own = {} } = kept({ attributes }, { attributes: merged }, 'INVALID_MEMBER');
    return { ...changes, attributes: own };
  };
}

/**
 * For a job that begins with the member.
 * @throws MEMBER_DELETING when another job deletes it; MEMBER_BUSY (retryable) while any job holds it: what that one
 *   did may still be undone
 */
export function requireFree(member: Member, jobId: string): void {
  requireOpen(member, jobId);
  if (member.lock !== null) throw memberBusy();
}

/** @throws MEMBER_DELETING; MEMBER_BUSY (retryable) when it is closed for a while only */
export function requireOpen(member: Member, jobId: string): void {
  if (member.closedBy !== null && member.closedBy !== jobId) throw member.reopens ? memberBusy() : memberDeleting();
}

/** @throws MEMBER_BUSY (retryable) while its registration may still be undone */
export function requireRegistered(member: Member): void {
  if (member.status === 'PENDING') throw memberBusy();
}

/** @throws MEMBER_SUSPENDED */
export function requireActive(member: Member): void {
  if (member.status === 'SUSPENDED') throw failedPrecondition('MEMBER_SUSPENDED');
}

/** @throws MEMBER_NOT_SUSPENDED */
export function requireSuspended(member: Member): void {
  if (member.status !== 'SUSPENDED') throw failedPrecondition('MEMBER_NOT_SUSPENDED');
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

/** The member that a job had closed and locked, suspended and open to other jobs. */
export const suspended = (member: Member, now: Date): Member => ({
  ...freed(member),
  ...member.pendingChanges,
  status: 'SUSPENDED',
  suspendedAt: now,
  closedBy: null,
  reopens: false,
  version: member.version + 1,
  updatedAt: now,
});

/** The member that a job had locked, active again. */
export const reinstated = (member: Member, now: Date): Member => ({
  ...freed(member),
  status: 'ACTIVE',
  suspendedAt: null,
  suspensionReason: null,
  version: member.version + 1,
  updatedAt: now,
});

/**
 * For an undo that comes after the job let go of the member.
 * @throws MEMBER_BUSY (retryable) while another job holds it: its outcome decides what is left to undo
 */
export function requireNotHeldByOthers(member: Member, jobId: string): void {
  if (member.lockHolder !== null && member.lockHolder !== jobId) throw memberBusy();
}
