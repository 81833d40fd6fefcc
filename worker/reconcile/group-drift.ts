import { ROOT } from '#platform/validation/group-fields.ts';
import type { GroupCopy, StandingCopy } from '#proto/musubi/auth/v1/auth.ts';
import type { Grant } from '#proto/musubi/position/v1/position.ts';
import type { Kind, MemberTruth } from './drift.ts';

// What Auth has of groups and of what members are in them, compared with what Group and Position have of these. No I/O.

/** A group as Group has it. */
export interface GroupTruth {
  /** Undefined: it is the whole organisation. */
  parentId: string | undefined;
  findable: boolean;
  /** A job is at it. */
  changing: boolean;
}

/** A position as Position has it. */
export interface PositionTruth {
  groupId: string;
  grant: Grant;
  changing: boolean;
}

/** Whether a member is in a group, or invited to it, as Group has it. */
export interface MembershipTruth {
  isMember: boolean;
  isInvited: boolean;
  changing: boolean;
}

/** To what a member is bound in a group, as Position has it. */
export interface BindingsTruth {
  positionIds: readonly string[];
  changing: boolean;
}

/** What makes a group agree; absent: it stays as it is. */
export interface GroupDrift {
  groupId: string;
  /** Of the group that was compared; 0: there was none. */
  version: number;
  kinds: Kind[];
  /** Empty: it is in none. */
  parentId?: string;
  findable?: boolean;
  positions?: Grant[];
  removed?: true;
  /** Position knows of no position of it, though every group has some: what Auth has of them. */
  untold?: readonly Grant[];
}

/**
 * In what a group differs, while nobody changes it.
 *
 * @param copy undefined: Auth has none
 * @param group undefined: there is none
 * @param parentPath of the group that it is to be in, as Auth has that; undefined: Auth has none
 * @param positions those that Position has, at least of those that Auth has in the group. What else of them is the group's, Auth lacks
 */
export function groupDrift(
  groupId: string,
  copy: GroupCopy | undefined,
  group: GroupTruth | undefined,
  parentPath: readonly string[] | undefined,
  positions: ReadonlyMap<string, PositionTruth>,
): GroupDrift | undefined {
  if (!group) {
    if (copy) return { groupId, version: copy.version, kinds: ['unknown-group'], removed: true };
    const isOrphaned = [...positions.values()].some((one) => one.groupId === groupId);
    return isOrphaned ? { groupId, version: 0, kinds: ['orphan-positions'], removed: true } : undefined;
  }
  if (group.changing) return undefined;
  const { parentId = '', findable } = group;
  if (!copy) return { groupId, version: 0, kinds: ['absent-group'], parentId, findable };
  const drift: GroupDrift = { groupId, version: copy.version, kinds: [] };
  const path = groupId === ROOT ? [ROOT] : parentPath && [...parentPath, groupId];
  if (path && path.join() !== copy.path.join()) {
    drift.kinds.push('group-path');
    drift.parentId = parentId;
  }
  if (findable !== copy.findable) {
    drift.kinds.push('group-visibility');
    drift.findable = findable;
  }
  const kept = copy.positions.flatMap((one) => settled(groupId, one, positions.get(one.positionId)));
  const known = new Set(copy.positions.map(({ positionId }) => positionId));
  const missing = [...positions.values()].filter(
    (one) => one.groupId === groupId && !one.changing && !known.has(one.grant.positionId),
  );
  const wanted = [...kept, ...missing.map(({ grant }) => grant)];
  // Every group has positions as long as it is there.
  if (wanted.length === 0) return { ...drift, untold: copy.positions };
  if (said(wanted) !== said(copy.positions)) {
    drift.kinds.push('group-positions');
    drift.positions = wanted;
  }
  return drift.kinds.length > 0 ? drift : undefined;
}

/** What of a position is to be in Auth's group: what Position has; while a job is at it, what is there. */
function settled(groupId: string, copy: Grant, position: PositionTruth | undefined): Grant[] {
  if (position?.groupId !== groupId) return [];
  return [position.changing ? copy : position.grant];
}

const said = (positions: readonly Grant[]): string =>
  positions
    .map(({ positionId, kind, permissions }) =>
      [positionId, kind, ...permissions.map(({ action, reach }) => `${action} ${reach}`).sort()].join(),
    )
    .sort()
    .join('\n');

/** What makes a standing agree; absent: it stays as it is. */
export interface StandingDrift {
  groupId: string;
  memberId: string;
  version: number;
  kinds: Kind[];
  isMember?: boolean;
  isInvited?: boolean;
  positionIds?: string[];
  /** The member is in the group, or invited to it, and Group knows nothing of that, as it may be an older copy: it stays so. */
  isUntold?: true;
}

/** What others have of a member in a group. */
export interface StandingTruth {
  member: MemberTruth | undefined;
  group: GroupTruth | undefined;
  /** Undefined: it was never in the group, or Group has lost that it was. Of who has left it is known. */
  membership: MembershipTruth | undefined;
  bindings: BindingsTruth | undefined;
}

/**
 * In what a member's standing in a group differs, while nobody changes the member, the group or the standing.
 *
 * @param positions those that Position has. Others are not compared: they permit something only as long as Auth's group has them
 */
export function standingDrift(
  { groupId, memberId, version, isMember, isInvited, positionIds }: StandingCopy,
  { member, group, membership, bindings }: StandingTruth,
  positions: ReadonlyMap<string, PositionTruth>,
): StandingDrift | undefined {
  if (!member || member.changing || !group || group.changing || membership?.changing) return undefined;
  const drift: StandingDrift = { groupId, memberId, version, kinds: [] };
  const wanted = groupId === ROOT || (membership?.isMember ?? false);
  const invited = !wanted && (membership?.isInvited ?? false);
  if (isMember && !wanted && !membership) return { ...drift, kinds: ['extra-membership'], isUntold: true };
  if (isInvited && !invited && !membership) return { ...drift, kinds: ['extra-invitation'], isUntold: true };
  if (isMember !== wanted) {
    drift.kinds.push(wanted ? 'missing-membership' : 'extra-membership');
    drift.isMember = wanted;
  }
  if (isInvited !== invited) {
    drift.kinds.push(invited ? 'missing-invitation' : 'extra-invitation');
    drift.isInvited = invited;
  }
  if (!bindings?.changing) {
    const isCompared = (id: string): boolean => positions.get(id)?.groupId === groupId && !positions.get(id)?.changing;
    const bound = (bindings?.positionIds ?? []).filter(isCompared);
    const extra = positionIds.filter((id) => isCompared(id) && !bound.includes(id));
    const missing = bound.filter((id) => !positionIds.includes(id));
    if (extra.length > 0) drift.kinds.push('extra-binding');
    if (missing.length > 0) drift.kinds.push('missing-binding');
    if (extra.length + missing.length > 0) drift.positionIds = [...positionIds.filter((id) => !extra.includes(id)), ...missing];
  }
  return drift.kinds.length > 0 ? drift : undefined;
}

/**
 * The positions that a member is bound to and no group of Auth has, by a copy that is about these: what Position does not know either is
 * none any more. What it knows, Auth's group lacks, and is put in place there.
 */
export function strayDrift(
  { groupId, memberId, version, positionIds }: StandingCopy,
  member: MemberTruth | undefined,
  positions: ReadonlyMap<string, PositionTruth>,
): StandingDrift | undefined {
  if (!member || member.changing) return undefined;
  const stay = positionIds.filter((id) => positions.has(id));
  if (stay.length === positionIds.length) return undefined;
  return { groupId, memberId, version, kinds: ['unknown-position'], positionIds: stay };
}
