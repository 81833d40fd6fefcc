import { defaultPositionId } from '../../services/position/domain.ts';
import type { Command } from './model.ts';
import { type GroupState, type State, upwards } from './state.ts';

// What positions permit to who is no administrator: that of a group's leaders all that is done there and below, and others what they say. No I/O.

interface Bound {
  /** What the position permits, as one text; null: all, as it is that of leaders. */
  permits: string | null;
  isHere: boolean;
  until: string;
}

/** What somebody is bound to in a group, and in those that it is in. */
function boundIn(state: State, memberId: string, groupId: string): Bound[] {
  return upwards(state, groupId).flatMap(([id, { positions, bindings }]) =>
    [...(bindings.get(memberId) ?? [])].map(([positionId, until]) => ({
      permits: positionId === defaultPositionId(id, 'leader') ? null : (positions.get(positionId)?.split('\n')[1] ?? ''),
      isHere: id === groupId,
      until,
    })),
  );
}

/** Whether that grants something in the group, or also below it. */
const grants = ({ permits, isHere }: Bound, action: string, reach: string): boolean =>
  permits === null ||
  permits.split(',').includes(`${action} subtree`) ||
  (isHere && reach === 'here' && permits.split(',').includes(`${action} here`));

/** Whether somebody may do something in a group by a position. */
const may = (state: State, memberId: string, groupId: string, action: string): boolean =>
  boundIn(state, memberId, groupId).some((one) => grants(one, action, 'here'));

/** Whether one term is as long as another; '': it has no end. */
export const lastsAsLong = (until: string, other: string): boolean => until === '' || (other !== '' && until >= other);

/** Whether somebody holds all that a position of a group permits, and for so long. */
function holdsFor(state: State, memberId: string, groupId: string, permissions: string | undefined, until: string): boolean {
  const held = boundIn(state, memberId, groupId).filter((one) => lastsAsLong(one.until, until));
  if (permissions === undefined) return held.some(({ permits }) => permits === null);
  return permissions
    .split(',')
    .filter((one) => one !== '')
    .every((one) => {
      const [action = '', reach = ''] = one.split(' ');
      return held.some((position) => grants(position, action, reach));
    });
}

/** What everybody does for itself, by policies. */
const BY_ITSELF: readonly Command['kind'][] = [
  ...(['join', 'leave', 'request', 'withdraw-request', 'accept', 'decline-invitation'] as const),
];

/** The action that a position must permit: those of its own permit no others in the model. */
const actionOf = (kind: Command['kind']): string =>
  kind === 'create' ? 'group.create' : kind === 'rename' || kind === 'show' ? 'group.update' : 'what leaders do';

/** Whether who asks may do that, as far as positions say; what everybody does for itself is not theirs to say. */
export function isPermitted(state: State, command: Command): boolean {
  const { by, isAdmin, kind } = command;
  if (isAdmin || BY_ITSELF.includes(kind)) return true;
  const isAllowed = may(state, by, kind === 'create' ? command.parentId : command.groupId, actionOf(kind));
  // Where it comes to be, who moves it may make groups.
  return isAllowed && (kind !== 'move' || may(state, by, command.parentId, 'group.create'));
}

/** Whether who binds gives more than it holds there, or for longer. */
export function givesTooMuch(state: State, group: GroupState, command: Command & { kind: 'bind' }): boolean {
  const { by, isAdmin, groupId, memberId, positionId, leaderPositionId, until } = command;
  const before = group.bindings.get(memberId)?.get(positionId);
  if (isAdmin || (before !== undefined && lastsAsLong(before, until))) return false;
  const permissions = positionId === leaderPositionId ? undefined : (group.positions.get(positionId)?.split('\n')[1] ?? '');
  return !holdsFor(state, by, groupId, permissions, until);
}

/** What no term is shorter than. */
const AT_ONCE = '0';

/** Whether who changes a position has it permit more than it holds there itself, for as long as any of those who hold it. */
export function permitsTooMuch(state: State, group: GroupState, command: Command & { kind: 'redefine' }): boolean {
  const { by, isAdmin, groupId, positionId, permissions } = command;
  if (isAdmin) return false;
  const before: Bound = { permits: group.positions.get(positionId)?.split('\n')[1] ?? '', isHere: true, until: '' };
  const isMore = (one: string): boolean => {
    const [action = '', reach = ''] = one.split(' ');
    return !grants(before, action, reach);
  };
  const terms = [...group.bindings.values()].flatMap((bound) => bound.get(positionId) ?? []);
  const longest = terms.reduce((longer, one) => (lastsAsLong(one, longer) ? one : longer), AT_ONCE);
  return !holdsFor(state, by, groupId, permissions.split(',').filter(isMore).join(), longest);
}

/** Whether who moves a group has others lead it that did not, and does not lead it itself without end. */
export function movesTooMuch(state: State, { by, isAdmin, groupId, parentId }: Command & { kind: 'move' }): boolean {
  const before = upwards(state, groupId).map(([id]) => id);
  const isEntered = upwards(state, parentId).some(([id]) => !before.includes(id));
  return !isAdmin && isEntered && !holdsFor(state, by, groupId, undefined, '');
}
