import { ROOT } from '../../platform/validation/group-fields.ts';

// The organisation in memory: groups within groups, who is in them, and their positions; what each command makes of it, and why it is
// refused. No I/O.

export interface GroupState {
  parentId: string;
  name: string;
  visibility: string;
  isArchived: boolean;
  members: ReadonlySet<string>;
  /** Its own, by their IDs: name and permissions, as one text. */
  positions: ReadonlyMap<string, string>;
  /** Who is bound to which, that of the leaders among them. */
  bindings: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface State {
  /** Without the whole organisation's. */
  groups: ReadonlyMap<string, GroupState>;
}

/** What is asked, by whom. Who makes something learns its ID with the answer. */
export type Command = { by: string; isAdmin: boolean } & (
  | { kind: 'create'; id: string; parentId: string; name: string; visibility: string; leaderPositionId: string }
  | { kind: 'rename'; groupId: string; name: string }
  | { kind: 'show'; groupId: string; visibility: string }
  | { kind: 'move'; groupId: string; parentId: string }
  | { kind: 'archive' | 'restore'; groupId: string }
  | { kind: 'delete'; groupId: string; cascade: boolean }
  | { kind: 'join' | 'add' | 'leave' | 'expel'; groupId: string; memberId: string; leaderPositionId: string }
  | { kind: 'define'; id: string; groupId: string; name: string; permissions: string }
  | { kind: 'redefine'; groupId: string; positionId: string; permissions: string }
  | { kind: 'abolish'; groupId: string; positionId: string }
  | { kind: 'bind' | 'unbind'; groupId: string; positionId: string; memberId: string; leaderPositionId: string }
);

const none: GroupState = {
  ...{ parentId: ROOT, name: '', visibility: 'open', isArchived: false },
  ...{ members: new Set(), positions: new Map(), bindings: new Map() },
};

/** Names that are drawn in several ways of writing, by hand: what the rule comes to, not the rule. */
const ALIKE = [
  ['kyoto', 'Kyoto', 'KYOTO', 'Ｋyoto'],
  ['nara', 'Nara'],
  ['red', 'Red', 'RED', 'ｒｅｄ'],
  ['blue', 'Blue'],
  ['green', 'Ｇreen'],
];
/** What makes a name one of its kind. */
export const keyOf = (name: string): string => ALIKE.find((ways) => ways.includes(name))?.[0] ?? name;

/** A group and all that it is in, itself first. */
function pathOf({ groups }: State, groupId: string): GroupState[] {
  const path: GroupState[] = [];
  for (let one = groups.get(groupId); one; one = groups.get(one.parentId)) path.push(one);
  return path;
}

/** A group with all that is below it. */
export function below({ groups }: State, groupId: string): string[] {
  const ids = [groupId];
  for (let at = 0; at < ids.length; at++) for (const [id, { parentId }] of groups) if (parentId === ids[at]) ids.push(id);
  return ids;
}

const isThere = (state: State, groupId: string): boolean => groupId === ROOT || state.groups.has(groupId);
const isArchived = (state: State, groupId: string): boolean => pathOf(state, groupId).some((one) => one.isArchived);
const isTaken = ({ groups }: State, parentId: string, name: string, besides = ''): boolean =>
  [...groups].some(([id, one]) => id !== besides && one.parentId === parentId && keyOf(one.name) === keyOf(name));

/** The codes with which a command may be refused; none: it is done. Which of several rules is looked at first is not the model's. */
export function refusals(state: State, command: Command): string[] {
  const { groups } = state;
  const codes: string[] = [];
  const refuse = (broken: boolean, ...why: string[]): void => void (broken && codes.push(...why));
  if (command.kind === 'create') {
    refuse(!isThere(state, command.parentId), 'GROUP_NOT_FOUND');
    refuse(isArchived(state, command.parentId), 'GROUP_ARCHIVED');
    refuse(isTaken(state, command.parentId, command.name), 'NAME_TAKEN');
    return codes;
  }
  const group = groups.get(command.groupId);
  if (!group)
    return ['GROUP_NOT_FOUND', 'POSITION_NOT_FOUND', ...(command.isAdmin ? [] : ['PERMISSION_DENIED', 'PERMISSION_REVOKED'])];
  const archived = isArchived(state, command.groupId);
  switch (command.kind) {
    case 'rename':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(isTaken(state, group.parentId, command.name, command.groupId), 'NAME_TAKEN');
      break;
    case 'show':
    case 'archive':
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
      break;
    case 'delete':
      refuse(!command.cascade && below(state, command.groupId).length > 1, 'GROUP_NOT_EMPTY');
      break;
    case 'join':
    case 'add':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(group.members.has(command.memberId), 'ALREADY_MEMBER');
      refuse(command.kind === 'join' && group.visibility !== 'open', 'GROUP_NOT_OPEN');
      // Who is no administrator may not even find it.
      refuse(!command.isAdmin && group.visibility === 'invitation', 'GROUP_NOT_FOUND', 'PERMISSION_DENIED', 'PERMISSION_REVOKED');
      break;
    case 'leave':
    case 'expel':
      refuse(archived, 'GROUP_ARCHIVED');
      refuse(!group.members.has(command.memberId), 'NOT_MEMBER');
      if (command.isAdmin) break;
      refuse(!group.members.has(command.memberId), 'GROUP_NOT_FOUND', 'PERMISSION_DENIED', 'PERMISSION_REVOKED');
      refuse(isLastLeader(group, command), 'LAST_LEADER');
      break;
    case 'define':
      refuse(
        [...group.positions.values()].some((one) => keyOf(one.split('\n')[0] ?? '') === keyOf(command.name)),
        'NAME_TAKEN',
      );
      break;
    case 'redefine':
      refuse(!group.positions.has(command.positionId), 'POSITION_NOT_FOUND');
      break;
    case 'abolish':
      refuse(!group.positions.has(command.positionId), 'POSITION_NOT_FOUND');
      refuse(
        [...group.bindings.values()].some((bound) => bound.has(command.positionId)),
        'POSITION_IN_USE',
      );
      break;
    case 'bind':
    case 'unbind': {
      const isKnown = command.positionId === command.leaderPositionId || group.positions.has(command.positionId);
      refuse(!isKnown, 'POSITION_NOT_FOUND');
      refuse(command.kind === 'bind' && !group.members.has(command.memberId), 'NOT_MEMBER');
      break;
    }
  }
  return codes;
}

const isLastLeader = (
  { bindings }: GroupState,
  { memberId, leaderPositionId }: { memberId: string; leaderPositionId: string },
): boolean => {
  const leaders = [...bindings].filter(([, bound]) => bound.has(leaderPositionId)).map(([id]) => id);
  return leaders.length === 1 && leaders[0] === memberId;
};

/** The organisation after a command that was done. */
export function apply(state: State, command: Command): State {
  const groups = new Map(state.groups);
  const change = (groupId: string, changes: Partial<GroupState>): void =>
    void groups.set(groupId, { ...(groups.get(groupId) ?? none), ...changes });
  if (command.kind === 'create') {
    const { id, parentId, name, visibility, by, leaderPositionId } = command;
    const bindings = new Map([[by, new Set([leaderPositionId])]]);
    change(id, { parentId, name, visibility, members: new Set([by]), bindings });
    return { groups };
  }
  const { groupId } = command;
  const { members, positions, bindings } = groups.get(groupId) ?? none;
  switch (command.kind) {
    case 'rename':
      change(groupId, { name: command.name });
      break;
    case 'show':
      change(groupId, { visibility: command.visibility });
      break;
    case 'archive':
    case 'restore':
      change(groupId, { isArchived: command.kind === 'archive' });
      break;
    case 'move':
      change(groupId, { parentId: command.parentId });
      break;
    case 'delete':
      for (const id of below(state, groupId)) groups.delete(id);
      break;
    case 'join':
    case 'add':
      change(groupId, { members: new Set([...members, command.memberId]) });
      break;
    case 'leave':
    case 'expel':
      change(groupId, {
        members: new Set([...members].filter((id) => id !== command.memberId)),
        bindings: new Map([...bindings].filter(([id]) => id !== command.memberId)),
      });
      break;
    case 'define':
      change(groupId, { positions: new Map([...positions, [command.id, `${command.name}\n${command.permissions}`]]) });
      break;
    case 'redefine': {
      const [name = ''] = positions.get(command.positionId)?.split('\n') ?? [];
      change(groupId, { positions: new Map([...positions, [command.positionId, `${name}\n${command.permissions}`]]) });
      break;
    }
    case 'abolish':
      change(groupId, { positions: new Map([...positions].filter(([id]) => id !== command.positionId)) });
      break;
    case 'bind':
    case 'unbind': {
      const bound = new Set(bindings.get(command.memberId));
      if (command.kind === 'bind') bound.add(command.positionId);
      else bound.delete(command.positionId);
      const others = [...bindings].filter(([id]) => id !== command.memberId);
      change(groupId, { bindings: new Map(bound.size > 0 ? [...others, [command.memberId, bound]] : others) });
      break;
    }
  }
  return { groups };
}

/** All of it, line by line: two are the same if their lines are. */
export function linesOf({ groups }: State): string[] {
  return [...groups]
    .map(([id, { parentId, name, visibility, isArchived, members, positions, bindings }]) => {
      const bound = [...bindings].map(([memberId, ids]) => `${memberId}: ${[...ids].sort()}`).sort();
      const those = [...positions].map(([positionId, text]) => `${positionId} ${text.replace('\n', ' ')}`).sort();
      const what = [id, parentId, name, visibility, isArchived ? 'archived' : '', [...members].sort(), those, bound];
      return what.map(String).join(' | ');
    })
    .sort();
}
