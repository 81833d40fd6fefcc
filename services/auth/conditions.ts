/** A reference to anything that policies are about. */
export interface Reference {
  /** "Member" */
  type: string;
  id: string;
}

/**
 * What things must hold to, so that a member may see them: what is left of policies once everything is known but the thing
 * itself. A query can carry it to its database.
 */
export type Condition =
  /** All of them, or none. */
  | boolean
  | { allOf: readonly Condition[] }
  | { anyOf: readonly Condition[] }
  | { not: Condition }
  /** It is one of these. */
  | { ids: readonly string[] }
  /** Its owner is one of these members. */
  | { owners: readonly string[] }
  | { hasOwner: true }
  /** It is in one of these: a member in a role, a group below another one. */
  | { in: readonly Reference[] };

/** One of the parts that conditions are made of. */
type Term = Exclude<Condition, boolean | { allOf: unknown } | { anyOf: unknown } | { not: unknown }>;

/** The condition with each of its terms replaced. */
function replaced(condition: Condition, by: (term: Term) => Condition): Condition {
  if (typeof condition === 'boolean') return condition;
  if ('allOf' in condition) return allOf(condition.allOf.map((one) => replaced(one, by)));
  if ('anyOf' in condition) return anyOf(condition.anyOf.map((one) => replaced(one, by)));
  if ('not' in condition) return not(replaced(condition.not, by));
  return by(condition);
}

/** The condition that one member has, for another one of the same roles. No policy may mention either. */
export function nameIn(condition: Condition, from: string, to: string): Condition {
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
export function narrow(
  condition: Condition,
  { id, ownerId, within }: { id: string; ownerId: string; within: readonly Reference[] },
): Condition {
  return replaced(condition, (term) => {
    if ('in' in term && id !== '')
      return term.in.some((one) => within.some(({ type, id }) => one.type === type && one.id === id));
    if ('ids' in term && id !== '') return term.ids.includes(id);
    if ('owners' in term && ownerId !== '') return term.owners.includes(ownerId);
    return 'hasOwner' in term && ownerId !== '' ? true : term;
  });
}

// Conditions are kept as small as they can be: what is always so, or never, goes.

export function allOf(conditions: readonly Condition[]): Condition {
  const open = conditions
    .flatMap((one) => (typeof one === 'object' && 'allOf' in one ? one.allOf : [one]))
    .filter((one) => one !== true);
  if (open.includes(false)) return false;
  return open.length <= 1 ? (open[0] ?? true) : { allOf: open };
}

export function anyOf(conditions: readonly Condition[]): Condition {
  const open = conditions
    .flatMap((one) => (typeof one === 'object' && 'anyOf' in one ? one.anyOf : [one]))
    .filter((one) => one !== false);
  if (open.includes(true)) return true;
  return open.length <= 1 ? (open[0] ?? false) : { anyOf: open };
}

export function not(condition: Condition): Condition {
  if (typeof condition === 'boolean') return !condition;
  return 'not' in condition ? condition.not : { not: condition };
}
