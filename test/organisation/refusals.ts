import { ROOT } from '../../platform/validation/group-fields.ts';
import type { Coming, Command } from './model.ts';
import { givesTooMuch, isPermitted, lastsAsLong, movesTooMuch, permitsTooMuch } from './permitted.ts';
import { below, type GroupState, isInvited, keyOf, type State, upwards } from './state.ts';

/** The ID of a member that there never was. */
export const NOBODY = '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40';

/** How who is no administrator is told that something is not for it to see, or not for it to do. */
const HIDDEN = ['GROUP_NOT_FOUND', 'PERMISSION_DENIED', 'PERMISSION_REVOKED'];

/** What an archived group lets nobody do; out of it, who is in it or waits for an answer always comes. */
const COMES_IN: readonly Coming['kind'][] = ['join', 'add', 'request', 'approve', 'invite', 'accept'];

const isThere = (state: State, groupId: string): boolean => groupId === ROOT || state.groups.has(groupId);
const isArchived = (state: State, groupId: string): boolean => upwards(state, groupId).some(([, one]) => one.isArchived);
const isTaken = ({ groups }: State, parentId: string, name: string, besides?: string): boolean =>
  [...groups].some(([id, one]) => id !== besides && one.parentId === parentId && keyOf(one.name) === keyOf(name));

/** The codes with which a command may be refused; none: it is done. Which of several rules is looked at first is not the model's. */
export function refusals(state: State, command: Command): string[] {
  const { kind } = command;
  const codes: string[] = [];
  const refuse = (broken: boolean, ...why: string[]): void => void (broken && codes.push(...why));
  // What time ends is ended, wherever it is.
  if (kind === 'expire' || kind === 'end-term') return [];
  refuse(!isPermitted(state, command), ...HIDDEN, 'EXCEEDS_OWN_PERMISSIONS');
  if (kind === 'create') {
    refuse(!isThere(state, command.parentId), 'GROUP_NOT_FOUND');
    refuse(isArchived(state, command.parentId), 'GROUP_ARCHIVED');
    refuse(isTaken(state, command.parentId, command.name), 'NAME_TAKEN');
    return codes;
  }
  const group = state.groups.get(command.groupId);
  // Who has not asked to be let in learns nothing of a group.
  if (!group && kind === 'withdraw-request') codes.push('JOIN_REQUEST_NOT_FOUND');
  // Of two groups the one that is to carry the tag is looked at first.
  if (!group && (kind === 'tag-group' || kind === 'untag-group')) {
    codes.push('NOT_SUBGROUP');
    refuse(isArchived(state, command.subgroupId), 'GROUP_ARCHIVED');
  }
  if (!group) return [...codes, 'GROUP_NOT_FOUND', 'POSITION_NOT_FOUND', ...(command.isAdmin ? [] : HIDDEN)];
  const archived = isArchived(state, command.groupId);
  switch (kind) {
    case 'rename':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(isTaken(state, group.parentId, command.name, command.groupId), 'NAME_TAKEN');
      break;
    case 'show':
    case 'archive':
    case 'add-all':
    case 'put-tag':
    case 'remove-tag':
      refuse(archived, 'GROUP_ARCHIVED');
      break;
    case 'restore':
      refuse(!group.isArchived, 'GROUP_NOT_ARCHIVED');
      break;
    case 'move':
      refuse(!isThere(state, command.parentId), 'GROUP_NOT_FOUND');
      refuse(archived || isArchived(state, command.parentId), 'GROUP_ARCHIVED');
      refuse(below(state, command.groupId).includes(command.parentId), 'GROUP_CYCLE');
      refuse(isTaken(state, command.parentId, group.name, command.groupId), 'NAME_TAKEN');
      refuse(movesTooMuch(state, command), 'EXCEEDS_OWN_PERMISSIONS');
      break;
    case 'delete':
      refuse(!command.cascade && below(state, command.groupId).length > 1, 'GROUP_NOT_EMPTY');
      break;
    case 'rename-tag': {
      const [key, other] = [keyOf(command.tag), keyOf(command.name)];
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(!group.tags.has(key), 'TAG_NOT_FOUND');
      refuse(key !== other && group.tags.has(other) && !command.merges, 'TAG_EXISTS');
      break;
    }
    case 'tag-group':
    case 'untag-group': {
      const { parentId } = state.groups.get(command.subgroupId) ?? {};
      refuse(archived || isArchived(state, command.subgroupId), 'GROUP_ARCHIVED');
      refuse(parentId === undefined, 'GROUP_NOT_FOUND');
      // Which it may not see, where it is elsewhere.
      refuse(parentId !== command.groupId, 'NOT_SUBGROUP', ...(command.isAdmin ? [] : HIDDEN));
      refuse(kind === 'tag-group' && !group.tags.has(keyOf(command.tag)), 'TAG_NOT_FOUND');
      break;
    }
    case 'tag-member':
    case 'untag-member':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(!group.members.has(command.memberId), 'NOT_MEMBER');
      refuse(kind === 'tag-member' && !group.tags.has(keyOf(command.tag)), 'TAG_NOT_FOUND');
      break;
    case 'define':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(
        [...group.positions.values()].some((one) => keyOf(one.split('\n')[0] ?? '') === keyOf(command.name)),
        'NAME_TAKEN',
      );
      break;
    case 'redefine':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(!group.positions.has(command.positionId), 'POSITION_NOT_FOUND');
      refuse(permitsTooMuch(state, group, command), 'EXCEEDS_OWN_PERMISSIONS');
      break;
    case 'abolish':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(!group.positions.has(command.positionId), 'POSITION_NOT_FOUND');
      refuse(
        [...group.bindings.values()].some((bound) => bound.has(command.positionId)),
        'POSITION_IN_USE',
      );
      break;
    case 'bind':
    case 'unbind': {
      const isKnown = command.positionId === command.leaderPositionId || group.positions.has(command.positionId);
      refuse(archived && kind === 'bind', 'GROUP_ARCHIVED');
      refuse(!isKnown, 'POSITION_NOT_FOUND');
      refuse(kind === 'bind' && !group.members.has(command.memberId), 'NOT_MEMBER');
      refuse(command.kind === 'bind' && givesTooMuch(state, group, command), 'EXCEEDS_OWN_PERMISSIONS');
      refuse(!command.isAdmin && isLedForLess(group, command), 'LAST_LEADER');
      break;
    }
    default:
      refuse(archived && COMES_IN.includes(kind), 'GROUP_ARCHIVED');
      codes.push(...ofMembership(group, command));
  }
  return codes;
}

/** What is in the way of what a member is to become to a group. */
function ofMembership(group: GroupState, command: Coming): string[] {
  const { kind, memberId, isAdmin } = command;
  const codes: string[] = [];
  const refuse = (broken: boolean, ...why: string[]): void => void (broken && codes.push(...why));
  const isIn = group.members.has(memberId);
  const asks = group.candidates.get(memberId) === 'requested';
  const invited = isInvited(group, memberId);
  // What everybody may do with a group that it finds, and with one that it is invited to.
  const finds = isAdmin || group.visibility !== 'invitation';
  switch (kind) {
    case 'join':
    case 'add':
      refuse(memberId === NOBODY, 'MEMBER_NOT_FOUND');
      refuse(isIn, 'ALREADY_MEMBER');
      refuse(kind === 'join' && group.visibility !== 'open', 'GROUP_NOT_OPEN');
      // Who may add members finds the group by that.
      refuse(kind === 'join' && !finds, ...HIDDEN);
      break;
    case 'leave':
    case 'expel':
      refuse(!isIn, 'NOT_MEMBER', ...(isAdmin ? [] : HIDDEN));
      refuse(!isAdmin && isLastLeader(group, command), 'LAST_LEADER');
      break;
    case 'request':
      refuse(isIn, 'ALREADY_MEMBER');
      refuse(asks, 'ALREADY_REQUESTED');
      refuse(invited, 'ALREADY_INVITED');
      refuse(group.visibility !== 'request', 'GROUP_NOT_ON_REQUEST');
      refuse(!finds, ...HIDDEN);
      break;
    case 'approve':
      refuse(isIn, 'ALREADY_MEMBER');
      refuse(!isIn && !asks, 'JOIN_REQUEST_NOT_FOUND');
      break;
    case 'decline-request':
      refuse(!asks, 'JOIN_REQUEST_NOT_FOUND');
      break;
    case 'withdraw-request':
      refuse(!asks && group.candidates.get(memberId) !== 'declined', 'JOIN_REQUEST_NOT_FOUND');
      break;
    case 'invite':
      refuse(isIn, 'ALREADY_MEMBER');
      refuse(asks, 'ALREADY_REQUESTED');
      refuse(invited, 'ALREADY_INVITED');
      break;
    case 'accept':
      refuse(isIn, 'ALREADY_MEMBER');
      refuse(!isIn && !invited, 'INVITATION_NOT_FOUND');
      refuse(!isAdmin && !invited, ...HIDDEN);
      break;
    case 'decline-invitation':
    case 'withdraw-invitation':
      refuse(!invited, 'INVITATION_NOT_FOUND', ...(isAdmin ? [] : HIDDEN));
      break;
  }
  return codes;
}

/** Whether nobody else leads a group for as long as this one does. */
const isLastLeader = (
  { bindings }: GroupState,
  { memberId, leaderPositionId }: { memberId: string; leaderPositionId: string },
): boolean => {
  const until = (ofMemberId: string): string | undefined => bindings.get(ofMemberId)?.get(leaderPositionId);
  const its = until(memberId);
  if (its === undefined) return false;
  const others = [...bindings.keys()].filter((id) => id !== memberId).flatMap((id) => until(id) ?? []);
  return !others.some((one) => lastsAsLong(one, its));
};

/** Whether by that nobody leads a group for as long any more. */
function isLedForLess(group: GroupState, command: Command & { kind: 'bind' | 'unbind' }): boolean {
  const { memberId, positionId, leaderPositionId } = command;
  if (positionId !== leaderPositionId) return false;
  const its = group.bindings.get(memberId)?.get(positionId) ?? '';
  return !(command.kind === 'bind' && lastsAsLong(command.until, its)) && isLastLeader(group, command);
}
