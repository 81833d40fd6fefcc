import type { Reference } from './conditions.ts';
import { type Everywhere, isTo, nowhere, type Place } from './groups/group.ts';

/** What a question is about, as callers name it. */
export interface Resource {
  type: string;
  /** Empty: all of that type, or one that does not exist yet. */
  id: string;
  /** Empty: nobody. */
  ownerId: string;
}

/** What a question is about, as it is known. */
export interface Thing extends Resource {
  /** What it is in, however far up: a member in the roles that it holds; of a group only those that policies mention, itself among them. */
  within: readonly Reference[];
  /** Of a group, what who asks is to it. */
  place?: Place;
}

/** One question: may this member do that to this? */
export interface Question {
  memberId: string;
  action: string;
  resource: Thing;
  /** Those of the positions that it holds which policies mention. */
  positionIds?: readonly string[];
  /** Of groups that are not known yet, where the member is in any. */
  everywhere?: Everywhere | undefined;
}

/** What is asked of the store for questions. */
export interface About {
  /** Members whose roles are asked for. */
  members: readonly string[];
  /** Groups of which it is asked where they are, and what who asks is to them. */
  groups: readonly string[];
  /** Whether all is asked for that who asks is in any group. */
  everywhere: boolean;
  /** The actions that it is about: of positions it is not asked whether they grant others. Absent: all. */
  actions?: readonly string[];
}

export const NOTHING_ASKED: About = { members: [], groups: [], everywhere: false };

/** What the store says of who asks, and of what it asks about. */
export interface Facts {
  /** By member, as the store has them. */
  rolesOf: ReadonlyMap<string, readonly string[]>;
  places: ReadonlyMap<string, Place>;
  positionIds: readonly string[];
  everywhere: Everywhere | undefined;
}

/** The types of what lives in other services: who owns such a thing, their record says, which a caller of ours brings. */
const LIVES_ELSEWHERE: ReadonlySet<string> = new Set(['Job']);

/** Whether a caller names an owner where Auth itself knows it. */
export const saysTooMuch = ({ type, ownerId }: Resource): boolean => ownerId !== '' && !LIVES_ELSEWHERE.has(type);

/** Where nothing is known. */
export const NO_FACTS: Facts = { rolesOf: new Map(), places: new Map(), positionIds: [], everywhere: undefined };

/** What is to be asked of the store, to decide on these. */
export function aboutOf(resources: readonly Resource[], actions: readonly string[]): About {
  const ids = (wanted: string): string[] => [
    ...new Set(resources.flatMap(({ type, id }) => (type === wanted && id !== '' ? [id] : []))),
  ];
  return {
    members: ids('Member'),
    groups: ids('Group'),
    everywhere: resources.some(({ type, id }) => type === 'Group' && id === ''),
    actions,
  };
}

/** A question with all that is known of it. A member's owner is itself; roles, policies and groups have none. */
export function questionOf(
  { memberId, action, resource: { type, id, ownerId } }: { memberId: string; action: string; resource: Resource },
  { rolesOf, places, positionIds, everywhere }: Facts,
): Question {
  const asked = { memberId, action, positionIds };
  const within = (type: string, ids: readonly string[]): Reference[] => ids.map((id) => ({ type, id }));
  if (type === 'Member') return { ...asked, resource: { type, id, ownerId: id, within: within('Role', rolesOf.get(id) ?? []) } };
  if (type !== 'Group') return { ...asked, resource: { type, id, ownerId, within: [] } };
  if (id === '') return { ...asked, everywhere, resource: { type, id, ownerId, within: [] } };
  const place = places.get(id) ?? nowhere(id);
  return { ...asked, resource: { type, id, ownerId, within: within('Group', place.named), place } };
}

/** The same question about a group right below, of which nothing else is known: who asks is to it what it is by the groups above. */
export function askedBelow(question: Question, id: string, findable: boolean): Question {
  const { resource } = question;
  const { place } = resource;
  if (!place) return question;
  return { ...question, resource: { ...resource, id, place: { ...place, id, findable, isInvited: false } } };
}

/** What a condition can depend on, of a question: by what no policy mentions, members do not differ to Cedar. */
export const readerOf = ({ memberId, action, resource, positionIds = [] }: Question, strings: ReadonlySet<string>): string =>
  JSON.stringify([action, resource.type, strings.has(memberId) ? `=${memberId}` : 'member', mentioned(positionIds, strings)]);

const mentioned = (ids: readonly string[], strings: ReadonlySet<string>): string[] => ids.filter((id) => strings.has(id)).sort();

/**
 * Everything of a question that a decision by these policies can depend on: action and type, which of member, resource and
 * owner are the same, and those of their IDs, and of what the resource is in, that stand in a policy. To Cedar an ID is only a name: two that no policy
 * mentions are the same to it.
 */
export function kindOf({ memberId, action, resource, positionIds = [] }: Question, strings: ReadonlySet<string>): string {
  const { type, id, ownerId, within, place } = resource;
  const named = (name: string): string | undefined => (strings.has(name) ? `=${name}` : undefined);
  const self = type === 'Member' && id === memberId;
  const owned = ownerId === memberId ? 'member' : type === 'Member' && ownerId === id ? 'resource' : 'other';
  return JSON.stringify([
    action,
    type,
    named(memberId) ?? 'member',
    named(id) ?? (self ? 'member' : 'resource'),
    ownerId === '' ? '' : (named(ownerId) ?? owned),
    within.flatMap((one) => (strings.has(one.id) ? `${one.type}/${one.id}` : [])).sort(),
    mentioned(positionIds, strings),
    ...(place ? [place.findable, ...RELATIONS.map((relation) => isTo(place, relation, action))] : []),
  ]);
}

/** What policies ask for of a group's members by themselves; what is granted by positions is no policy's affair. */
const RELATIONS = ['member', 'leader', 'invited'] as const;
