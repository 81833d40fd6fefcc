import fc from 'fast-check';
import { defaultPositionId } from '../../services/position/domain.ts';
import type { Command, State } from './model.ts';

// Which commands are drawn. What they are about is drawn as numbers, which stand for what there is when their round begins.

const KINDS = {
  create: 9,
  rename: 3,
  show: 3,
  move: 6,
  archive: 2,
  restore: 4,
  delete: 3,
  join: 4,
  add: 5,
  leave: 3,
  expel: 2,
  define: 4,
  redefine: 3,
  abolish: 2,
  bind: 6,
  unbind: 3,
} as const satisfies Record<Command['kind'], number>;
type Kind = keyof typeof KINDS;

const drawn = fc.record({
  kind: fc.oneof(...Object.entries(KINDS).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) }))),
  who: fc.nat(),
  group: fc.nat(),
  other: fc.nat(),
  member: fc.nat(),
  position: fc.nat(),
  // Few names, in several ways of writing: they meet.
  name: fc.constantFrom('Kyoto', 'KYOTO', 'Ｋyoto', 'Nara', 'nara', 'Osaka', 'Kobe', 'Uji', 'Otsu', 'Gifu', 'Tsu', 'Mie'),
  visibility: fc.constantFrom('open', 'open', 'request', 'invitation'),
  permissions: fc.constantFrom('', 'group.update here', 'group.update subtree', 'group.create here,group.update subtree'),
  cascade: fc.boolean(),
  /** About something that was there once. */
  isGone: fc.nat({ max: 19 }).map((at) => at === 0),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer One> ? One : never;

/** Those of a round run at the same time. */
export const MOST_AT_ONCE = 8;

/** Rounds that have at least so many commands in all; the same seed draws the same. */
export function drawRounds(commands: number, seed: number): Drawn[][] {
  const rounds: Drawn[][] = [];
  const sizes = fc.array(drawn, { minLength: 3, maxLength: MOST_AT_ONCE });
  const stream = fc.sample(sizes, { seed, numRuns: Math.ceil(commands / 3) });
  for (let count = 0; count < commands; ) {
    const round = stream[rounds.length] ?? [];
    rounds.push(round);
    count += round.length;
  }
  return rounds;
}

interface Ground {
  state: State;
  /** In which all the others are; it stays. */
  topId: string;
  /** The IDs of groups that there are no more. */
  gone: readonly string[];
  actors: readonly { memberId: string; isAdmin: boolean }[];
}

/** So many groups are enough: then something is deleted in place of what would be made. */
const MOST_GROUPS = 30;

/** What is drawn, as a command about what there is. */
export function commandOf(one: Drawn, { state, topId, gone, actors }: Ground): Command {
  const pick = <T>(some: readonly T[], at: number): T => some[at % some.length] as T;
  const ids = [...state.groups.keys()];
  const lower = ids.filter((id) => id !== topId);
  const admins = actors.filter(({ isAdmin }) => isAdmin);
  const isAbout = one.isGone && gone.length > 0 ? pick(gone, one.group) : undefined;
  // Most that is drawn is about what can be done: what is archived is restored, who is in a group is bound in it.
  const archived = lower.filter((id) => state.groups.get(id)?.isArchived);
  const some = one.kind === 'restore' && archived.length > 0 ? archived : lower;
  const groupId = isAbout ?? (some.length > 0 ? pick(some, one.group) : topId);
  const within = actors.filter((actor) => state.groups.get(groupId)?.members.has(actor.memberId));
  const inIt = ['bind', 'unbind', 'expel', 'leave'].includes(one.kind) && one.member % 4 > 0 && within.length > 0;
  const parentId = isAbout ?? pick(ids, one.other);
  // Nothing takes away the one in which all is.
  const needsLower: Kind[] = ['rename', 'move', 'archive', 'restore', 'delete'];
  const leaderPositionId = defaultPositionId(groupId, 'leader');
  const positionIds = [leaderPositionId, ...(state.groups.get(groupId)?.positions.keys() ?? [])];
  const own = positionIds.slice(1);
  // Those that every group has stay as they are.
  const needsOwn = one.kind === 'redefine' || one.kind === 'abolish';
  const wanted = needsOwn && own.length === 0 ? 'define' : one.kind;
  const kind = wanted === 'create' && ids.length > MOST_GROUPS ? 'delete' : wanted;
  const positionId = pick(positionIds, one.position);
  const self = pick(inIt ? within : actors, one.who);
  const { memberId: by } = pick(admins, one.who);
  const { memberId } = pick(inIt ? within : actors, one.member);
  const { name, visibility, permissions, cascade } = one;
  const as = { by, isAdmin: true };
  if (kind === 'create' || (needsLower.includes(kind) && groupId === topId))
    return { ...as, kind: 'create', id: '', parentId, name, visibility, leaderPositionId: '' };
  switch (kind) {
    case 'rename':
      return { ...as, kind, groupId, name };
    case 'show':
      return { ...as, kind, groupId, visibility };
    case 'move':
      return { ...as, kind, groupId, parentId };
    case 'archive':
    case 'restore':
      return { ...as, kind, groupId };
    case 'delete':
      return { ...as, kind, groupId, cascade };
    case 'join':
    case 'leave':
      return { by: self.memberId, isAdmin: self.isAdmin, kind, groupId, memberId: self.memberId, leaderPositionId };
    case 'add':
    case 'expel':
      return { ...as, kind: kind === 'add' && memberId === by ? 'join' : kind, groupId, memberId, leaderPositionId };
    case 'define':
      return { ...as, kind, id: '', groupId, name, permissions };
    case 'redefine':
      return { ...as, kind, groupId, positionId: pick(own, one.position), permissions };
    case 'abolish':
      return { ...as, kind, groupId, positionId: pick(own, one.position) };
    case 'bind':
    case 'unbind':
      return { ...as, kind, groupId, positionId, memberId, leaderPositionId };
    default:
      return { ...as, kind: 'create', id: '', parentId, name, visibility, leaderPositionId: '' };
  }
}
