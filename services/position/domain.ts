import { kept } from '#platform/validation/fields.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { idMadeOf, requireId } from '#platform/validation/id.ts';
import { type Permission, permissions, positionName } from '#platform/validation/position-fields.ts';
import { invalidTerm, noPositions } from './refusals.ts';

// Groups have positions, to which members are bound. A job takes what it changes (`lockHolder`), with what it will be kept aside
// (`pending`): others see all as it was until Auth goes by it, and then the change is committed.

/** What a job will make of a position. */
export type PositionChange =
  | { change: 'create' }
  | { change: 'update'; name: string; permissions: Permission[] }
  | { change: 'delete' };

/** `member`: everybody in the group holds it, and nobody is bound to it. `leader`: who is bound to it leads the group. */
export type Kind = 'member' | 'leader';

export interface Position {
  positionId: string;
  groupId: string;
  name: string;
  /** Of those that every group has; null: one of the group's own. */
  kind: Kind | null;
  permissions: Permission[];
  /** 0 while it is being created, and others do not see it; grows by 1 with every change that is told to others. */
  version: number;
  /** The job that is changing it; null: nobody. */
  lockHolder: string | null;
  /** What it will make of it. */
  pending: PositionChange | null;
  createdAt: Date;
  updatedAt: Date;
}

/** That a member is bound to a position. */
export interface Binding {
  positionId: string;
  boundAt: Date;
  /** When it ends; null: never. */
  until: Date | null;
}

/** All that a member is bound to in a group. */
export interface Bindings {
  groupId: string;
  memberId: string;
  version: number;
  /** In the order of the positions' IDs. */
  bindings: Binding[];
}

/** What is asked to become of them. */
export interface BindingsChange {
  bind: readonly string[];
  release: readonly string[];
  releaseAll: boolean;
  /** When what is bound ends; null: never. */
  until: Date | null;
}

const all = (reach: Permission['reach'], ...actions: Permission['action'][]): Permission[] =>
  actions.map((action) => ({ action, reach }));

const OF_LEADERS = all(
  'subtree',
  'group.read',
  'group.list',
  'group.list-members',
  'group.update',
  'group.move',
  'group.create',
  'group.archive',
  'group.restore',
  'group.delete',
  'group.add-member',
  'group.expel-member',
  'group.list-requests',
  'group.approve-request',
  'group.decline-request',
  'group.invite-member',
  'group.list-invitations',
  'group.withdraw-invitation',
  'group.change-tags',
  'group.tag',
  'position.list',
  'position.create',
  'position.update',
  'position.delete',
  'position.bind',
  'position.unbind',
);
const OF_MEMBERS = all('here', 'group.read', 'group.list', 'group.list-members', 'position.list');
/** Everybody may make a group at the top. */
const OF_EVERYBODY = [...OF_MEMBERS, ...all('here', 'group.create')];

/** The positions that a group begins with: that of its leaders, and that of all its members. */
export const defaultPositions = (groupId: string): Position[] => [
  defaultPosition(groupId, 'leader', 'Leader', OF_LEADERS),
  defaultPosition(groupId, 'member', 'Member', groupId === ROOT ? OF_EVERYBODY : OF_MEMBERS),
];

function defaultPosition(groupId: string, kind: Kind, name: string, permissions: Permission[]): Position {
  const now = new Date();
  const lasting = { version: 1, lockHolder: null, pending: null, createdAt: now, updatedAt: now };
  return { positionId: defaultPositionId(groupId, kind), groupId, name, kind, permissions, ...lasting };
}

/** A default position has the same ID whoever makes it. */
export const defaultPositionId = (groupId: string, kind: Kind): string => idMadeOf(`musubi/positions/${groupId}/${kind}`);

/** The given fields in the form in which they are kept: what is permitted twice, once. @throws INVALID_POSITION */
export function tidyPosition(given: { name?: string | undefined; permissions?: readonly unknown[] | undefined }) {
  const tidy = kept({ name: positionName, permissions }, given, 'INVALID_POSITION');
  return { ...tidy, permissions: tidy.permissions && eachOnce(tidy.permissions) };
}

const eachOnce = (permissions: readonly Permission[]): Permission[] => [
  ...new Map(permissions.map((one) => [`${one.action} ${one.reach}`, one])).values(),
];

/** @throws INVALID_ARGUMENT */
export const requireGroupId = (groupId: string): string => (groupId === ROOT ? ROOT : requireId('groupId', groupId));

const MOST_NAMED = 100;

/** What is asked, each position once. @throws INVALID_ARGUMENT when too many positions are named, or none */
export function requireChange({ bind, release, releaseAll, until }: BindingsChange): BindingsChange {
  const named = bind.length + release.length;
  if (named > MOST_NAMED || (named === 0 && !releaseAll)) throw noPositions(MOST_NAMED);
  return { bind: [...new Set(bind)], release: [...new Set(release)], releaseAll, until: requireTerm(until) };
}

const LONGEST_TERM_YEARS = 10;

/** @throws INVALID_ARGUMENT unless it ends in the future, and not too far in it */
function requireTerm(until: Date | null): Date | null {
  if (!until) return null;
  const now = new Date();
  const latest = new Date(now);
  latest.setUTCFullYear(latest.getUTCFullYear() + LONGEST_TERM_YEARS);
  if (!(until > now && until <= latest)) throw invalidTerm(LONGEST_TERM_YEARS);
  return until;
}

/** All that a member is bound to after a change. Who is bound to a position again keeps it from when it was, for the new term. */
export function changedBindings(before: readonly Binding[], { bind, release, releaseAll, until }: BindingsChange): Binding[] {
  const stays = before.filter(({ positionId }) => !releaseAll && !release.includes(positionId) && !bind.includes(positionId));
  const since = (positionId: string): Date => before.find((binding) => binding.positionId === positionId)?.boundAt ?? new Date();
  const bound = bind
    .filter((positionId) => !release.includes(positionId))
    .map((positionId) => ({ positionId, boundAt: since(positionId), until }));
  return [...stays, ...bound].sort((a, b) => (a.positionId < b.positionId ? -1 : 1));
}

/** Whether two are the same to all who read them. */
export const sameBindings = (some: readonly Binding[], others: readonly Binding[]): boolean =>
  JSON.stringify(some.map(termOf)) === JSON.stringify(others.map(termOf));

const termOf = ({ positionId, until }: Binding) => [positionId, until];

/** Whether a binding has this term. */
export const hasTerm = ({ until }: Binding, term: Date): boolean => until?.getTime() === term.getTime();

/** The terms that are others after a change, with what they are then; null: without end, or not bound any more. */
export function changedTerms(before: readonly Binding[], after: readonly Binding[]): Pick<Binding, 'positionId' | 'until'>[] {
  const untilOf = (some: readonly Binding[], id: string): Date | null =>
    some.find(({ positionId }) => positionId === id)?.until ?? null;
  return [...new Set([...before, ...after].map(({ positionId }) => positionId))]
    .map((positionId) => ({ positionId, was: untilOf(before, positionId), until: untilOf(after, positionId) }))
    .filter(({ was, until }) => was?.getTime() !== until?.getTime())
    .map(({ positionId, until }) => ({ positionId, until }));
}

/** Whether a term is over before another one; null: never. */
const endsBefore = (one: Date | null, other: Date | null): boolean => one !== null && (other === null || one < other);

/** By what a member led a group that it leads no more after a change, or for less long. @returns its former binding; undefined: it leads on as it did */
export function ledUntil(
  before: readonly Binding[],
  after: readonly Binding[],
  leading: string | undefined,
): Binding | undefined {
  const of = (some: readonly Binding[]) => some.find(({ positionId }) => positionId === leading);
  const [was, is] = [of(before), of(after)];
  return was && (!is || endsBefore(is.until, was.until)) ? was : undefined;
}

/** Whether a member leads a group for so long at least. */
export const leadsUntil = (bindings: readonly Binding[], leading: string, until: Date | null): boolean =>
  bindings.some((one) => one.positionId === leading && !endsBefore(one.until, until));

/** What a change does to the terms of what stays bound, and until when what it gives is given. */
export interface KeptBindings {
  prolongedIds: string[];
  shortenedIds: string[];
  /** The longest of the terms that are given; undefined: nothing is. */
  given: { until: Date | null } | undefined;
}

export function keptBindings(before: readonly Binding[], after: readonly Binding[]): KeptBindings {
  const was = new Map(before.map((one) => [one.positionId, one]));
  const those = after.map((one) => ({ ...one, before: was.get(one.positionId) }));
  const prolonged = those.filter((one) => one.before && endsBefore(one.before.until, one.until));
  const given = [...prolonged, ...those.filter((one) => !one.before)];
  return {
    prolongedIds: prolonged.map(({ positionId }) => positionId),
    shortenedIds: those
      .filter((one) => one.before && endsBefore(one.until, one.before.until))
      .map(({ positionId }) => positionId),
    given: longest(given),
  };
}

/** The longest of some terms; undefined: there are none. */
export const longest = (some: readonly { until: Date | null }[]): { until: Date | null } | undefined =>
  some.reduce<{ until: Date | null } | undefined>(
    (most, { until }) => (!most || endsBefore(most.until, until) ? { until } : most),
    undefined,
  );

/** The same position, held by no job. */
export const freed = (position: Position): Position => ({ ...position, lockHolder: null, pending: null });
