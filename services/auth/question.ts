import type { Reference } from './conditions.ts';

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
  /** What it is in, however far up: a member in the roles that it holds. */
  within: readonly Reference[];
}

/** One question: may this member do that to this? */
export interface Question {
  memberId: string;
  action: string;
  resource: Thing;
}

/** The types of what lives in other services: who owns such a thing, their record says, which a caller of ours brings. */
const LIVES_ELSEWHERE: ReadonlySet<string> = new Set(['Job']);

/** Whether a caller names an owner where Auth itself knows it. */
export const saysTooMuch = ({ type, ownerId }: Resource): boolean => ownerId !== '' && !LIVES_ELSEWHERE.has(type);

/** The member that a question is about, if it is about one: which roles it is in is asked of the store. */
export const memberOf = ({ type, id }: Resource): string[] => (type === 'Member' && id !== '' ? [id] : []);

/** @param roleIds by member, as the store has them. A member's owner is itself; roles and policies have none */
export const known = ({ type, id, ownerId }: Resource, roleIds: ReadonlyMap<string, readonly string[]>): Thing =>
  type === 'Member'
    ? { type, id, ownerId: id, within: (roleIds.get(id) ?? []).map((roleId) => ({ type: 'Role', id: roleId })) }
    : { type, id, ownerId, within: [] };

/** What a condition can depend on, of a question: by what no policy mentions, members do not differ to Cedar. */
export const readerOf = ({ memberId, action, resource }: Question, strings: ReadonlySet<string>): string =>
  JSON.stringify([action, resource.type, strings.has(memberId) ? `=${memberId}` : 'member']);

/**
 * Everything of a question that a decision by these policies can depend on: action and type, which of member, resource and
 * owner are the same, and those of their IDs, and of what the resource is in, that stand in a policy. To Cedar an ID is only a name: two that no policy
 * mentions are the same to it.
 */
export function kindOf({ memberId, action, resource }: Question, strings: ReadonlySet<string>): string {
  const { type, id, ownerId, within } = resource;
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
  ]);
}
