import fc from 'fast-check';
import { defaultPositionId } from '../../services/position/domain.ts';
import type { Command, Ending } from './model.ts';
import { NOBODY } from './refusals.ts';
import { type GroupState, isInvited, type State, upwards } from './state.ts';

// Which commands are drawn. What they are about is drawn as numbers, which stand for what there is when their round begins.

const KINDS = {
  ...{ create: 9, rename: 3, show: 3, move: 6, archive: 2, restore: 4, delete: 3 },
  ...{ join: 4, add: 4, 'add-all': 3, leave: 3, expel: 2 },
  ...{ request: 5, approve: 3, 'decline-request': 1, 'withdraw-request': 2 },
  ...{ invite: 5, accept: 2, 'decline-invitation': 1, 'withdraw-invitation': 1 },
  ...{ 'put-tag': 4, 'remove-tag': 1, 'rename-tag': 3, 'tag-group': 3, 'untag-group': 1, 'tag-member': 3, 'untag-member': 1 },
  ...{ define: 4, redefine: 3, abolish: 2, bind: 7, unbind: 3 },
} as const;
type Kind = keyof typeof KINDS;
export const ALL_KINDS = Object.keys(KINDS) as Kind[];

const drawn = fc.record({
  kind: fc.oneof(...Object.entries(KINDS).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) }))),
  who: fc.nat(),
  group: fc.nat(),
  other: fc.nat(),
  member: fc.nat(),
  position: fc.nat(),
  // Few names, in several ways of writing: they meet.
  name: fc.constantFrom('Kyoto', 'KYOTO', 'Ｋyoto', 'Nara', 'nara', 'Osaka', 'Kobe', 'Uji', 'Otsu', 'Gifu', 'Tsu', 'Mie'),
  tag: fc.constantFrom('red', 'RED', 'ｒｅｄ', 'blue', 'Blue', 'green'),
  tagName: fc.constantFrom('red', 'Red', 'blue', 'green', 'Ｇreen', 'grey'),
  visibility: fc.constantFrom('open', 'open', 'request', 'invitation'),
  permissions: fc.constantFrom('', 'group.update here', 'group.update subtree', 'group.create here,group.update subtree'),
  cascade: fc.boolean(),
  merges: fc.boolean(),
  /** When what may end does. */
  ends: fc.constantFrom('never', 'never', 'never', 'late', 'late', 'soon'),
  /** Who asks for what is not its own: an administrator, who leads the group, where somebody does, or anybody else. */
  asker: fc.constantFrom(
    'admin',
    'admin',
    'admin',
    'admin',
    'admin',
    'admin',
    'leader',
    'leader',
    'leader',
    'leader',
    'leader',
    'leader',
    'other',
  ),
  /** Whatever is in its way. */
  anyhow: fc.nat({ max: 5 }).map((at) => at === 0),
  /** About something that was there once. */
  isGone: fc.nat({ max: 19 }).map((at) => at === 0),
});
export type Drawn = typeof drawn extends fc.Arbitrary<infer One> ? One : never;

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

/** The same round, with these kinds of commands first, as far as it has room: about what there is, by who may. */
export const withKinds = (round: readonly Drawn[], kinds: readonly Kind[]): Drawn[] =>
  round.map((one, at) => {
    const kind = kinds[at];
    return kind ? { ...one, kind, asker: 'admin', anyhow: false, isGone: false } : one;
  });

interface Ground {
  state: State;
  /** In which all the others are; it stays. */
  topId: string;
  /** The IDs of groups that there are no more. */
  gone: readonly string[];
  actors: readonly { memberId: string; isAdmin: boolean }[];
  /** ms */
  now: number;
}

/** So many members at most are added by one command: each is a command of its own to who looks for an order of them. */
const MOST_LINES = 3;
/** So many groups are enough: then something is deleted in place of what would be made. */
const MOST_GROUPS = 30;
/** What ends soon ends in its round, and what ends late after all of them. */
const SOON_MS = 2_500;
const LATE_MS = 86_400_000;

/** Of a command that was done: that time ends what it made, where that is soon. */
export function endingOf(command: Command, now: number): Ending | undefined {
  if ((command.kind !== 'invite' && command.kind !== 'bind') || !endsSoon(command.until, now)) return undefined;
  return command.kind === 'invite' ? { ...command, kind: 'expire' } : { ...command, kind: 'end-term' };
}

const endsSoon = (until: string, now: number): boolean => until !== '' && Date.parse(until) < now + LATE_MS / 2;

const hasRequest = ({ candidates }: GroupState): boolean => [...candidates.values()].includes('requested');
const hasInvited = (group: GroupState): boolean => [...group.candidates.keys()].some((id) => isInvited(group, id));
const hasTags = ({ tags }: GroupState): boolean => tags.size > 0;

/** What there has to be for that, which is asked for where there is none. */
const FIRST: Partial<Record<Kind, Kind>> = {
  restore: 'archive',
  request: 'show',
  ...{ approve: 'request', 'decline-request': 'request', 'withdraw-request': 'request' },
  ...{ accept: 'invite', 'decline-invitation': 'invite', 'withdraw-invitation': 'invite' },
  ...{ 'remove-tag': 'put-tag', 'rename-tag': 'put-tag', 'tag-group': 'put-tag', 'tag-member': 'put-tag' },
};

/** Most that is drawn is about what can be done: these groups are looked for. */
const ABOUT: Partial<Record<Kind, (group: GroupState) => boolean>> = {
  restore: ({ isArchived }) => isArchived,
  request: ({ visibility }) => visibility === 'request',
  ...{ approve: hasRequest, 'decline-request': hasRequest, 'withdraw-request': ({ candidates }) => candidates.size > 0 },
  ...{ accept: hasInvited, 'decline-invitation': hasInvited, 'withdraw-invitation': hasInvited },
  ...{ 'remove-tag': hasTags, 'rename-tag': hasTags },
  ...{ 'tag-group': hasTags, 'untag-group': hasTags, 'tag-member': hasTags, 'untag-member': hasTags },
};
/** And these of their members. */
const IN_IT: readonly Kind[] = ['bind', 'unbind', 'expel', 'leave', 'tag-member', 'untag-member'];
const OF_ASKING: readonly Kind[] = ['approve', 'decline-request', 'withdraw-request'];
const OF_INVITED: readonly Kind[] = ['accept', 'decline-invitation', 'withdraw-invitation'];
/** And these of who is not in it. */
const OF_OTHERS: readonly Kind[] = ['join', 'add', 'request', 'invite'];

/** Whom a command can be about. */
function isMeant(kind: Kind, group: GroupState | undefined, memberId: string): boolean {
  if (!group) return true;
  if (IN_IT.includes(kind)) return group.members.has(memberId);
  if (OF_ASKING.includes(kind)) return group.candidates.has(memberId) && !isInvited(group, memberId);
  if (OF_INVITED.includes(kind)) return isInvited(group, memberId);
  return !OF_OTHERS.includes(kind) || !(group.members.has(memberId) || group.candidates.has(memberId));
}

/** Undefined: an administrator does. */
function askersOf(
  asker: Drawn['asker'],
  { state, actors }: Pick<Ground, 'state' | 'actors'>,
  groupId: string,
): Ground['actors'] | undefined {
  if (asker === 'admin') return undefined;
  const others = actors.filter(({ isAdmin }) => !isAdmin);
  const leaders = others.filter(({ memberId }) =>
    upwards(state, groupId).some(([id, { bindings }]) => bindings.get(memberId)?.has(defaultPositionId(id, 'leader'))),
  );
  if (asker === 'other') return others;
  return leaders.length > 0 ? leaders : undefined;
}

/** What is drawn, as a command about what there is. */
export function commandOf(one: Drawn, { state, topId, gone, actors, now }: Ground): Command {
  const pick = <T>(some: readonly T[], at: number): T => some[at % some.length] as T;
  const all = [...state.groups.keys()];
  const isOpen = (id: string): boolean => !upwards(state, id).some(([, { isArchived }]) => isArchived);
  const ids = one.anyhow ? all : all.filter((id) => one.kind === 'restore' || isOpen(id));
  const about = (kind: Kind): string[] => ids.filter((id) => ABOUT[kind]?.(state.groups.get(id) as GroupState));
  const first = FIRST[one.kind];
  const isLacking = !one.anyhow && first !== undefined && about(one.kind).length === 0;
  // Of what was lacking for that, too, something may be lacking.
  const asked = isLacking ? (about(first).length === 0 ? (FIRST[first] ?? first) : first) : one.kind;
  const lower = ids.filter((id) => id !== topId);
  const admins = actors.filter(({ isAdmin }) => isAdmin);
  const isAbout = one.isGone && gone.length > 0 ? pick(gone, one.group) : undefined;
  const wantedOnes = about(asked);
  const some = wantedOnes.length > 0 ? wantedOnes : lower;
  const groupId = isAbout ?? (some.length > 0 ? pick(some, one.group) : topId);
  const group = state.groups.get(groupId);
  const meant = actors.filter(({ memberId }) => isMeant(asked, group, memberId));
  const those = !one.anyhow && meant.length > 0 ? meant : actors;
  const parentId = isAbout ?? pick(ids, one.other);
  // Nothing takes away the one in which all is.
  const needsLower: Kind[] = ['rename', 'move', 'archive', 'restore', 'delete'];
  const leaderPositionId = defaultPositionId(groupId, 'leader');
  const positionIds = [leaderPositionId, ...(group?.positions.keys() ?? [])];
  const own = positionIds.slice(1);
  // Those that every group has stay as they are.
  const needsOwn = asked === 'redefine' || asked === 'abolish';
  const wanted = needsOwn && own.length === 0 ? 'define' : asked;
  const kind = wanted === 'create' && all.length > MOST_GROUPS ? 'delete' : wanted;
  const positionId = pick(positionIds, one.position);
  const self = pick(those, one.who);
  const at = asked === 'create' ? parentId : groupId;
  const asker = pick(askersOf(one.asker, { state, actors }, at) ?? admins, one.who);
  const { memberId } = pick(those, one.member);
  const { name, permissions, cascade, merges, tagName } = one;
  const visibility = asked === 'show' && isLacking ? 'request' : one.visibility;
  const tag = group && hasTags(group) && one.member % 4 > 0 ? pick([...group.tags.values()], one.other) : one.tag;
  const children = ids.filter((id) => state.groups.get(id)?.parentId === groupId);
  const subgroupId = children.length > 0 && one.member % 4 > 0 ? pick(children, one.other) : pick(ids, one.other);
  const until = (ends: Drawn['ends']): string =>
    ends === 'never' ? '' : new Date(now + (ends === 'soon' ? SOON_MS : LATE_MS)).toISOString();
  const as = { by: asker.memberId, isAdmin: asker.isAdmin };
  const asSelf = { by: self.memberId, isAdmin: self.isAdmin, memberId: self.memberId };
  const ofMember = { groupId, memberId, leaderPositionId };
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
    case 'request':
    case 'withdraw-request':
    case 'accept':
    case 'decline-invitation':
      return { ...ofMember, ...asSelf, kind };
    case 'add':
      return { ...as, ...ofMember, kind: memberId === as.by ? 'join' : kind };
    case 'expel':
    case 'approve':
    case 'decline-request':
    case 'withdraw-invitation':
      return { ...as, ...ofMember, kind };
    case 'add-all': {
      const memberIds = [...actors, { memberId: NOBODY }].map((actor) => actor.memberId);
      const count = 1 + (one.position % MOST_LINES);
      const from = one.member % memberIds.length;
      return { ...as, kind, groupId, memberIds: [...memberIds, ...memberIds].slice(from, from + count), leaderPositionId };
    }
    case 'invite':
      return { ...as, ...ofMember, kind, until: until(one.ends === 'never' ? 'late' : one.ends) };
    case 'put-tag':
      return { ...as, kind, groupId, tag: one.tag };
    case 'remove-tag':
      return { ...as, kind, groupId, tag };
    case 'rename-tag':
      return { ...as, kind, groupId, tag, name: tagName, merges };
    case 'tag-group':
    case 'untag-group':
      return { ...as, kind, groupId, tag, subgroupId };
    case 'tag-member':
    case 'untag-member':
      return { ...as, kind, groupId, tag, memberId };
    case 'define':
      return { ...as, kind, id: '', groupId, name, permissions };
    case 'redefine':
      return { ...as, kind, groupId, positionId: pick(own, one.position), permissions };
    case 'abolish':
      return { ...as, kind, groupId, positionId: pick(own, one.position) };
    case 'bind':
      return { ...as, ...ofMember, kind, positionId, until: until(one.ends) };
    case 'unbind':
      return { ...as, ...ofMember, kind, positionId };
    default:
      return { ...as, kind: 'create', id: '', parentId, name, visibility, leaderPositionId: '' };
  }
}
