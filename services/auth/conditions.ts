import { allOfRelation, type Everywhere, isTo, type Place, type Relation } from './groups/group.ts';

/** A reference to anything that policies are about. */
export interface Reference {
  /** "Member" */
  type: string;
  id: string;
}

/** What a condition is made of. */
type Term =
  /** It is one of these. */
  | { ids: readonly string[] }
  /** Its owner is one of these members. */
  | { owners: readonly string[] }
  | { hasOwner: true }
  /** It is in one of these, or is one: a member in a role, a group below another one. */
  | { in: readonly Reference[] }
  /** It is a group that everybody finds. */
  | { findable: true };

/** A term that each member has other things for: it is a group to which who asks is this. */
export interface ByRelation {
  to: Relation;
}

/**
 * What things must hold to, so that a member may see them: what is left of policies once everything is known but the thing
 * itself. A query can carry it to its database, once no other terms are in it.
 */
export type Condition<Other = never> =
  /** All of them, or none. */
  | boolean
  | { allOf: readonly Condition<Other>[] }
  | { anyOf: readonly Condition<Other>[] }
  | { not: Condition<Other> }
  | Term
  | Other;

/** The condition with each of its terms replaced. */
function replaced<From extends object, To extends object = never>(
  condition: Condition<From>,
  by: (term: Term | From) => Condition<To>,
): Condition<To> {
  if (typeof condition === 'boolean') return condition;
  if ('allOf' in condition) return allOf(condition.allOf.map((one) => replaced(one, by)));
  if ('anyOf' in condition) return anyOf(condition.anyOf.map((one) => replaced(one, by)));
  if ('not' in condition) return not(replaced(condition.not, by));
  return by(condition);
}

/** The condition that one member has, for another one of the same roles. No policy may mention either. */
export function nameIn<Other extends object>(condition: Condition<Other>, from: string, to: string): Condition<Other> {
  const rename = (id: string): string => (id === from ? to : id);
  return replaced(condition, (term) => {
    if ('ids' in term) return { ids: term.ids.map(rename) };
    if ('owners' in term) return { owners: term.owners.map(rename) };
    return term;
  });
}

/**
 * What is left of a condition for a thing of which this is known. An empty ID or owner is not known; without an ID, what the thing is in is
 * not known either.
 */
export function narrow<Other extends object>(
  condition: Condition<Other>,
  { id, ownerId, within }: { id: string; ownerId: string; within: readonly Reference[] },
): Condition<Other> {
  return replaced(condition, (term): Condition<Other> => {
    if ('in' in term && id !== '')
      return term.in.some((one) => within.some(({ type, id }) => one.type === type && one.id === id));
    if ('ids' in term && id !== '') return term.ids.includes(id);
    if ('owners' in term && ownerId !== '') return term.owners.includes(ownerId);
    return 'hasOwner' in term && ownerId !== '' ? true : term;
  });
}

/** What is left of a condition on a group, of which all is known. */
export const narrowTo = (condition: Condition<ByRelation>, place: Place, action: string): Condition =>
  replaced(condition, (term): Condition => {
    if ('to' in term) return isTo(place, term.to, action);
    return 'findable' in term ? place.findable : term;
  });

/** A condition on groups, for a member that is in these. */
export const spellOut = (condition: Condition<ByRelation>, everywhere: Everywhere, action: string): Condition =>
  replaced(condition, (term): Condition => {
    if (!('to' in term)) return term;
    const { ids, below } = allOfRelation(everywhere, term.to, action);
    return anyOf([ids.length > 0 && { ids }, below.length > 0 && { in: below.map((id) => ({ type: 'Group', id })) }]);
  });

// Conditions are kept as small as they can be: what is always so, or never, goes.

export function allOf<Other extends object = never>(conditions: readonly Condition<Other>[]): Condition<Other> {
  const open = conditions
    .flatMap((one) => (typeof one === 'object' && 'allOf' in one ? one.allOf : [one]))
    .filter((one) => one !== true);
  if (open.includes(false)) return false;
  return open.length <= 1 ? (open[0] ?? true) : { allOf: open };
}

export function anyOf<Other extends object = never>(conditions: readonly Condition<Other>[]): Condition<Other> {
  const open = conditions
    .flatMap((one) => (typeof one === 'object' && 'anyOf' in one ? one.anyOf : [one]))
    .filter((one) => one !== false);
  if (open.includes(true)) return true;
  return open.length <= 1 ? (open[0] ?? false) : { anyOf: open };
}

export function not<Other extends object = never>(condition: Condition<Other>): Condition<Other> {
  if (typeof condition === 'boolean') return !condition;
  return 'not' in condition ? condition.not : { not: condition };
}
