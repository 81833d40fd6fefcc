import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { kept, reason as reasonRule } from '#platform/validation/fields.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  MembershipChange as Asked,
  BeginChangeMembershipRequest,
  BeginChangeMembershipResponse,
} from '#proto/musubi/group/v1/group.ts';
import { NO_TIES, requireMemberId, type Visibility } from '../domain.ts';
import { becomes, isInvitedUntil } from '../memberships/joining.ts';
import {
  findMembership,
  holdMembership,
  isClosed,
  releaseMembership,
  requireFewCandidacies,
  requireFewGroups,
} from '../memberships/memberships.ts';
import {
  groupBusy,
  groupNotFound,
  groupNotOnRequest,
  groupNotOpen,
  memberDeleting,
  membershipBusy,
  rootGroup,
  successorNotMember,
} from '../refusals.ts';
import { keepGroup } from '../store.ts';
import { holdTree, pathOf, requireNotArchived, requireNotHeld } from '../tree/tree.ts';

const WITHDRAW_REQUEST = 'MEMBERSHIP_CHANGE_WITHDRAW_REQUEST' satisfies Asked;
const EXPIRE = 'MEMBERSHIP_CHANGE_EXPIRE_INVITATION' satisfies Asked;
/** What only takes away: in an archived group, too, nobody is kept, or waits for an answer for ever. */
const TAKES_AWAY: readonly Asked[] = [
  'MEMBERSHIP_CHANGE_LEAVE',
  'MEMBERSHIP_CHANGE_EXPEL',
  'MEMBERSHIP_CHANGE_DECLINE_REQUEST',
  WITHDRAW_REQUEST,
  'MEMBERSHIP_CHANGE_DECLINE_INVITATION',
  'MEMBERSHIP_CHANGE_WITHDRAW_INVITATION',
  EXPIRE,
];
/** What members do by themselves only in a group that has this visibility. */
const THROUGH: Partial<Record<Asked, Visibility>> = {
  MEMBERSHIP_CHANGE_JOIN: 'open',
  MEMBERSHIP_CHANGE_REQUEST: 'request',
};

interface Kept {
  groupId: string;
  memberId: string;
  jobId: string;
}

/**
 * Begins to change what a member is to a group.
 * @throws GROUP_NOT_FOUND, ROOT_GROUP, GROUP_ARCHIVED, GROUP_NOT_OPEN, GROUP_NOT_ON_REQUEST, NOT_MEMBER of who is to lead in its place; as
 *   {@link becomes}; TOO_MANY_GROUPS, TOO_MANY_JOIN_REQUESTS, TOO_MANY_INVITATIONS, MEMBER_DELETING; MEMBERSHIP_BUSY, GROUP_BUSY (retryable)
 */
export const beginChangeMembership: Step<BeginChangeMembershipRequest, BeginChangeMembershipResponse, Kept> = {
  async do(tx, { operationId, groupId, memberId, change, successorId, inviterId, until, ...given }) {
    requireMemberId(memberId);
    const { reason = null } = kept({ reason: reasonRule }, { reason: given.reason || undefined });
    const what = { memberId, reason, inviterId, until };
    const jobId = jobOf(operationId);
    const keeps = { groupId, memberId, jobId };
    const find = () => findMembership(tx, groupId, memberId);
    const nothing = { result: { nothingToDo: true }, kept: keeps };
    if (change === EXPIRE && !isInvitedUntil((await find()) ?? NO_TIES, until)) return nothing;
    // Whoever has not asked learns nothing of the group, not even whether there is one.
    if (change === WITHDRAW_REQUEST) becomes(change, (await find()) ?? NO_TIES, what, new Date());
    await requireOpenTo(tx, groupId, change);
    if (await isClosed(tx, memberId)) {
      // All that it is invited to ends with it.
      if (change === EXPIRE) return nothing;
      throw memberDeleting();
    }
    const before = await find();
    if (before && before.lockHolder !== null) throw membershipBusy();
    const pending = becomes(change, before ?? NO_TIES, what, new Date());
    if ('isMember' in pending && pending.isMember) await requireFewGroups(tx, memberId);
    if ('becomes' in pending && (pending.becomes === 'requested' || pending.becomes === 'invited'))
      await requireFewCandidacies(tx, memberId, pending.becomes);
    if (successorId !== undefined) await requireStays(tx, groupId, successorId);
    const through = THROUGH[change];
    await holdMembership(tx, { groupId, memberId }, jobId, through ? { ...pending, through } : pending);
    const invitedUntil = 'becomes' in pending && pending.becomes === 'invited' ? pending.until : undefined;
    return { result: { nothingToDo: false, until: invitedUntil }, kept: keeps };
  },
  /** The member is to the group what it was, and others may change that. */
  undo: (tx, { jobId, ...membership }) => releaseMembership(tx, membership, jobId),
};

/**
 * That members come into a group, or go out of it.
 * @throws GROUP_NOT_FOUND, ROOT_GROUP, GROUP_ARCHIVED, GROUP_NOT_OPEN; GROUP_BUSY (retryable)
 */
export async function requireOpenTo(tx: Transaction, groupId: string, change: Asked): Promise<void> {
  const [, group, path] = await Promise.all([holdTree(tx, 'part'), keepGroup(tx, groupId), pathOf(tx, groupId)]);
  if (!group) throw groupNotFound();
  if (groupId === ROOT) throw rootGroup();
  if (group.version === 0) throw groupBusy();
  requireNotHeld(path);
  if (!TAKES_AWAY.includes(change)) requireNotArchived(path);
  const through = THROUGH[change];
  if (through === undefined) return;
  if (group.visibility !== through) throw through === 'open' ? groupNotOpen() : groupNotOnRequest();
  // It is about to have another one, which holds for who comes from now on.
  if (group.pending?.change === 'update' && group.pending.visibility !== through) throw groupBusy();
}

/** Who is to lead the group is in it, and about to stay. */
async function requireStays(tx: Transaction, groupId: string, memberId: string): Promise<void> {
  const membership = await findMembership(tx, groupId, memberId);
  if (!membership?.joinedAt) throw successorNotMember(memberId);
  if (membership.lockHolder !== null) throw membershipBusy();
}
