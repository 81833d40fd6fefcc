import { below, type GroupState, invitedUntil, keyOf, NO_GROUP, type State } from './state.ts';

// What each command makes of the organisation. No I/O.

interface Asker {
  by: string;
  isAdmin: boolean;
}
interface OfMember {
  groupId: string;
  memberId: string;
  leaderPositionId: string;
}

/** What a member is to become to a group. */
export type Coming = Asker &
  OfMember &
  (
    | { kind: 'join' | 'add' | 'leave' | 'expel' | 'request' | 'approve' | 'decline-request' | 'withdraw-request' }
    | { kind: 'accept' | 'decline-invitation' | 'withdraw-invitation' }
    | { kind: 'invite'; until: string }
  );

/** What time does: an invitation is over (`expire`), or the term of a binding is. */
export type Ending = Asker &
  OfMember &
  ({ kind: 'expire'; until: string } | { kind: 'end-term'; positionId: string; until: string });

/** What is asked, by whom. Who makes something learns its ID with the answer. */
export type Command =
  | Coming
  | Ending
  | (Asker &
      (
        | { kind: 'create'; id: string; parentId: string; name: string; visibility: string; leaderPositionId: string }
        | { kind: 'rename'; groupId: string; name: string }
        | { kind: 'show'; groupId: string; visibility: string }
        | { kind: 'move'; groupId: string; parentId: string }
        | { kind: 'archive' | 'restore'; groupId: string }
        | { kind: 'delete'; groupId: string; cascade: boolean }
        // Each of them ends as an `add` of its own.
        | { kind: 'add-all'; groupId: string; memberIds: readonly string[]; leaderPositionId: string }
        | { kind: 'put-tag' | 'remove-tag'; groupId: string; tag: string }
        | { kind: 'rename-tag'; groupId: string; tag: string; name: string; merges: boolean }
        | { kind: 'tag-group' | 'untag-group'; groupId: string; tag: string; subgroupId: string }
        | { kind: 'tag-member' | 'untag-member'; groupId: string; tag: string; memberId: string }
        | { kind: 'define'; id: string; groupId: string; name: string; permissions: string }
        | { kind: 'redefine'; groupId: string; positionId: string; permissions: string }
        | { kind: 'abolish'; groupId: string; positionId: string }
        | (OfMember & { kind: 'bind'; positionId: string; until: string })
        | (OfMember & { kind: 'unbind'; positionId: string })
      ));

const put = <Value>(some: ReadonlyMap<string, Value>, key: string, value: Value): Map<string, Value> =>
  new Map([...some, [key, value]]);
const without = <Value>(some: ReadonlyMap<string, Value>, key: string): Map<string, Value> =>
  new Map([...some].filter(([other]) => other !== key));
const among = (some: ReadonlySet<string>, one: string, isIn: boolean): Set<string> =>
  new Set([...[...some].filter((other) => other !== one), ...(isIn ? [one] : [])]);

/** The organisation after a command that was done. */
export function apply(state: State, command: Command): State {
  const groups = new Map(state.groups);
  const change = (groupId: string, changes: Partial<GroupState>): void =>
    void groups.set(groupId, { ...(groups.get(groupId) ?? NO_GROUP), ...changes });
  if (command.kind === 'create') {
    const { id, parentId, name, visibility, by, leaderPositionId } = command;
    const bindings = new Map([[by, new Map([[leaderPositionId, '']])]]);
    change(id, { parentId, name, visibility, members: new Map([[by, new Set<string>()]]), bindings });
    return { groups };
  }
  const { kind, groupId } = command;
  const group = groups.get(groupId);
  if (!group) return state;
  const { tags, members, candidates, expelled, positions, bindings } = group;
  /** Has all that carries a tag of the group carry this in its place. */
  const recarry = (key: string, other?: string): void => {
    const after = (carried: ReadonlySet<string>): ReadonlySet<string> => {
      if (!carried.has(key)) return carried;
      const rest = among(carried, key, false);
      return other === undefined ? rest : among(rest, other, true);
    };
    for (const [id, one] of state.groups) if (one.parentId === groupId) change(id, { carries: after(one.carries) });
    change(groupId, { members: new Map([...members].map(([id, carried]) => [id, after(carried)])) });
  };
  switch (kind) {
    case 'rename':
      change(groupId, { name: command.name });
      break;
    case 'show':
      change(groupId, { visibility: command.visibility });
      break;
    case 'archive':
    case 'restore':
      change(groupId, { isArchived: kind === 'archive' });
      break;
    case 'move':
      // Where it is now there are other tags.
      change(groupId, { parentId: command.parentId, carries: new Set() });
      break;
    case 'delete':
      for (const id of below(state, groupId)) groups.delete(id);
      break;
    case 'join':
    case 'add':
    case 'approve':
    case 'accept': {
      const { memberId } = command;
      const comes = { candidates: without(candidates, memberId), expelled: among(expelled, memberId, false) };
      change(groupId, { ...comes, members: put(members, memberId, new Set()) });
      break;
    }
    case 'leave':
    case 'expel': {
      const { memberId } = command;
      const goes = { members: without(members, memberId), bindings: without(bindings, memberId) };
      change(groupId, { ...goes, expelled: among(expelled, memberId, kind === 'expel') });
      break;
    }
    case 'request':
    case 'decline-request':
      change(groupId, { candidates: put(candidates, command.memberId, kind === 'request' ? 'requested' : 'declined') });
      break;
    case 'invite':
      change(groupId, { candidates: put(candidates, command.memberId, invitedUntil(command.until)) });
      break;
    case 'withdraw-request':
    case 'decline-invitation':
    case 'withdraw-invitation':
      change(groupId, { candidates: without(candidates, command.memberId) });
      break;
    case 'expire':
      // Another one that came in its place stays.
      if (candidates.get(command.memberId) === invitedUntil(command.until))
        change(groupId, { candidates: without(candidates, command.memberId) });
      break;
    case 'put-tag': {
      const key = keyOf(command.tag);
      if (!tags.has(key)) change(groupId, { tags: put(tags, key, command.tag) });
      break;
    }
    case 'remove-tag':
      recarry(keyOf(command.tag));
      change(groupId, { tags: without(tags, keyOf(command.tag)) });
      break;
    case 'rename-tag': {
      const [key, other] = [keyOf(command.tag), keyOf(command.name)];
      recarry(key, other);
      change(groupId, { tags: put(without(tags, key), other, command.name) });
      break;
    }
    case 'tag-group':
    case 'untag-group': {
      const { carries = new Set<string>() } = groups.get(command.subgroupId) ?? {};
      change(command.subgroupId, { carries: among(carries, keyOf(command.tag), kind === 'tag-group') });
      break;
    }
    case 'tag-member':
    case 'untag-member': {
      const carried = among(members.get(command.memberId) ?? new Set(), keyOf(command.tag), kind === 'tag-member');
      change(groupId, { members: put(members, command.memberId, carried) });
      break;
    }
    case 'define':
      change(groupId, { positions: put(positions, command.id, `${command.name}\n${command.permissions}`) });
      break;
    case 'redefine': {
      const [name = ''] = positions.get(command.positionId)?.split('\n') ?? [];
      change(groupId, { positions: put(positions, command.positionId, `${name}\n${command.permissions}`) });
      break;
    }
    case 'abolish':
      change(groupId, { positions: without(positions, command.positionId) });
      break;
    case 'bind':
    case 'unbind':
    case 'end-term': {
      const { memberId, positionId } = command;
      const bound = bindings.get(memberId) ?? new Map<string, string>();
      // The binding may have another term by now.
      if (kind === 'end-term' && bound.get(positionId) !== command.until) break;
      const after = kind === 'bind' ? put(bound, positionId, command.until) : without(bound, positionId);
      change(groupId, { bindings: after.size > 0 ? put(bindings, memberId, after) : without(bindings, memberId) });
      break;
    }
  }
  return { groups };
}
