import { ROOT } from '../../platform/validation/group-fields.ts';

// The organisation in memory: groups within groups, with their tags, who is in them, comes to be, and holds which positions there. No I/O.

export interface GroupState {
  parentId: string;
  name: string;
  visibility: string;
  isArchived: boolean;
  /** Its own set of tags: how each is called, by what makes that one name (`keyOf`). */
  tags: ReadonlyMap<string, string>;
  /** The keys of what it carries of the set of the group that it is in. */
  carries: ReadonlySet<string>;
  /** Who is in it, with the keys of what each carries of the group's own set. */
  members: ReadonlyMap<string, ReadonlySet<string>>;
  /** Who is not in it, but has asked to be (`requested`), was `declined`, or is `invited` until when. */
  candidates: ReadonlyMap<string, string>;
  /** Who was put out, and did not come in again. */
  expelled: ReadonlySet<string>;
  /** Its own, by their IDs: name and permissions, as one text. */
  positions: ReadonlyMap<string, string>;
  /** Who is bound to which, that of the leaders among them, with until when; '': for ever. */
  bindings: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface State {
  /** Without the whole organisation's. */
  groups: ReadonlyMap<string, GroupState>;
}

export const NO_GROUP: GroupState = {
  ...{ parentId: ROOT, name: '', visibility: 'open', isArchived: false, tags: new Map(), carries: new Set() },
  ...{ members: new Map(), candidates: new Map(), expelled: new Set(), positions: new Map(), bindings: new Map() },
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
export const invitedUntil = (until: string): string => `invited ${until}`;
export const isInvited = ({ candidates }: GroupState, memberId: string): boolean =>
  candidates.get(memberId)?.startsWith('invited') ?? false;

/** A group and all that it is in, itself first, with their IDs. */
export function upwards({ groups }: State, groupId: string): [id: string, GroupState][] {
  const path: [string, GroupState][] = [];
  let id = groupId;
  for (let one = groups.get(id); one; one = groups.get(id)) {
    path.push([id, one]);
    id = one.parentId;
  }
  return path;
}

/** A group with all that is below it. */
export function below({ groups }: State, groupId: string): string[] {
  const ids = [groupId];
  for (let at = 0; at < ids.length; at++) for (const [id, { parentId }] of groups) if (parentId === ids[at]) ids.push(id);
  return ids;
}

/** All of it, line by line: two are the same if their lines are. */
export const linesOf = ({ groups }: State): string[] => [...groups].map(([id, group]) => `${id} | ${lineOf(group)}`).sort();

/** Most commands leave most groups as they are. */
const lines = new WeakMap<GroupState, string>();

function lineOf(group: GroupState): string {
  const known = lines.get(group);
  if (known !== undefined) return known;
  const { parentId, name, visibility, isArchived, tags, carries, members, candidates, expelled, positions, bindings } = group;
  const each = <Value>(some: ReadonlyMap<string, Value>, text: (value: Value) => string): string =>
    [...some]
      .map(([key, value]) => `${key} ${text(value)}`.trim())
      .sort()
      .join();
  const all = (some: ReadonlySet<string>): string => [...some].sort().join('+');
  const line = [
    ...[parentId, name, visibility, isArchived ? 'archived' : ''],
    ...[`tags ${each(tags, (tag) => tag)}`, `carries ${all(carries)}`],
    ...[`members ${each(members, all)}`, `candidates ${each(candidates, (what) => what)}`, `expelled ${all(expelled)}`],
    `positions ${each(positions, (text) => text.replace('\n', ' '))}`,
    `bound ${each(bindings, (those) => each(those, (until) => until))}`,
  ].join(' | ');
  lines.set(group, line);
  return line;
}
