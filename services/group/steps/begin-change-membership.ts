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
import { requireMemberId } from '../domain.ts';
import { findMembership, holdMember, holdMembership, releaseMembership, requireFewGroups } from '../memberships.ts';
import {
  alreadyMember,
  groupBusy,
  groupNotFound,
  groupNotOpen,
  membershipBusy,
  notMember,
  rootGroup,
  unknownChange,
} from '../refusals.ts';
import { readGroups } from '../store.ts';
import { holdTree, pathOf, requireNotArchived, requireNotHeld } from '../tree.ts';

interface Kept {
  groupId: string;
  memberId: string;
  jobId: string;
}

const COMES_IN: Partial<Record<Asked, boolean>> = {
  MEMBERSHIP_CHANGE_JOIN: true,
  MEMBERSHIP_CHANGE_ADD: true,
  MEMBERSHIP_CHANGE_LEAVE: false,
  MEMBERSHIP_CHANGE_EXPEL: false,
};

/**
 * Begins to change what a member is to a group.
 * @throws GROUP_NOT_FOUND, ROOT_GROUP, GROUP_ARCHIVED, ALREADY_MEMBER, NOT_MEMBER of it or of who is to lead in its place, GROUP_NOT_OPEN,
 *   TOO_MANY_GROUPS, MEMBER_DELETING; MEMBERSHIP_BUSY, GROUP_BUSY (retryable)
 */
export const beginChangeMembership: Step<BeginChangeMembershipRequest, BeginChangeMembershipResponse, Kept> = {
  async do(tx, { operationId, groupId, memberId, change, successorId, ...given }) {
    requireMemberId(memberId);
    const isMember = COMES_IN[change];
    if (isMember === undefined) throw unknownChange();
    const { reason = null } = kept({ reason: reasonRule }, { reason: given.reason || undefined });
    await requireOpenTo(tx, groupId, change);
    const jobId = jobOf(operationId);
    await holdMember(tx, memberId);
    const before = await findMembership(tx, groupId, memberId);
    if (before && before.lockHolder !== null) throw membershipBusy();
    if (isMember && before?.joinedAt) throw alreadyMember();
    if (!isMember && !before?.joinedAt) throw notMember(memberId);
    if (isMember) await requireFewGroups(tx, memberId);
    if (successorId !== undefined) await requireStays(tx, groupId, successorId);
    await holdMembership(tx, { groupId, memberId }, jobId, { isMember, reason });
    return { result: {}, kept: { groupId, memberId, jobId } };
  },
  /** The member is to the group what it was, and others may change that. */
  undo: (tx, { jobId, ...membership }) => releaseMembership(tx, membership, jobId),
};

/**
 * That members come into a group, or go out of it.
 * @throws GROUP_NOT_FOUND, ROOT_GROUP, GROUP_ARCHIVED, GROUP_NOT_OPEN; GROUP_BUSY (retryable)
 */
export async function requireOpenTo(tx: Transaction, groupId: string, change: Asked): Promise<void> {
  const [, path, [group]] = await Promise.all([
    holdTree(tx, 'part'),
    pathOf(tx, groupId),
    readGroups(tx, { ids: [groupId], begun: true }),
  ]);
  if (!group) throw groupNotFound();
  if (groupId === ROOT) throw rootGroup();
  if (group.version === 0) throw groupBusy();
  requireNotHeld(path);
  requireNotArchived(path);
  if (change === 'MEMBERSHIP_CHANGE_JOIN' && group.visibility !== 'open') throw groupNotOpen();
}

/** Who is to lead the group is in it, and about to stay. */
async function requireStays(tx: Transaction, groupId: string, memberId: string): Promise<void> {
  const membership = await findMembership(tx, groupId, memberId);
  if (!membership?.joinedAt) throw notMember(memberId);
  if (membership.lockHolder !== null) throw membershipBusy();
}
