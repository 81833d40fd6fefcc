import { join, type Query, sql } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';

/** Where a read model has what conditions look at, each an SQL expression. */
export interface Listed {
  id: Query;
  /** Absent: nothing of this kind has an owner. */
  owner?: Query;
  /**
   * By the type of what a thing can be in: the array of IDs that it is in, `{ Role: r.role_ids }`; or, of the IDs that are wanted,
   * whether it is in one of them, which is never unknown.
   */
  in?: Readonly<Record<string, Query | ((ids: readonly string[]) => Query)>>;
  /** Whether it is a group that everybody finds. Absent: nothing of this kind is. */
  findable?: Query;
}

/** Conditions within each other; policies are bounded far below it, and a statement with more would be a burden. */
const DEEPEST = 100;

/**
 * The rows that who asks may see, as a condition of a statement: it filters lists, counts and searches in the database. Nothing
 * is seen by who brings no condition.
 *
 * @throws when it is deeper than {@link DEEPEST}: no policy makes such a one
 */
export function seenBy(condition: Condition | undefined, listed: Listed, depth = 0): Query {
  if (depth > DEEPEST) throw new Error('a condition has too many within each other');
  const inner = (one: Condition | undefined): Query => seenBy(one, listed, depth + 1);
  const all = (conditions: readonly Condition[], word: Query, none: Query): Query =>
    conditions.length === 0 ? none : sql`(${join(conditions.map(inner), word)})`;
  const kind = condition?.kind;
  switch (kind?.$case) {
    case 'always':
      return kind.value ? TRUE : FALSE;
    case 'allOf':
      return all(kind.value.conditions, sql` and `, TRUE);
    case 'anyOf':
      return all(kind.value.conditions, sql` or `, FALSE);
    case 'not':
      return sql`not ${inner(kind.value)}`;
    case 'ids':
      return sql`${listed.id} = any(${kind.value.ids}::text[])`;
    case 'owners':
      // What has no owner is owned by none of them, which is not the same as unknown.
      return listed.owner ? sql`coalesce(${listed.owner} = any(${kind.value.ids}::text[]), false)` : FALSE;
    case 'hasOwner':
      return listed.owner ? sql`${listed.owner} is not null` : FALSE;
    case 'in': {
      const { references } = kind.value;
      const parts = Object.entries(listed.in ?? {}).map(([type, ids]) => {
        const wanted = references.filter((one) => one.type === type).map(({ id }) => id);
        if (wanted.length === 0) return FALSE;
        return typeof ids === 'function' ? ids(wanted) : sql`coalesce(${ids} && ${wanted}::text[], false)`;
      });
      return parts.length === 0 ? FALSE : sql`(${join(parts, sql` or `)})`;
    }
    case 'findable':
      return listed.findable ?? FALSE;
    default:
      // Of a newer Auth: what is not known is neither true nor, within a "not", false.
      return UNKNOWN;
  }
}

/** Whether a condition lets see everything. */
export const isAll = (condition: Condition | undefined): boolean => condition?.kind?.$case === 'always' && condition.kind.value;

const TRUE = sql`true`;
const FALSE = sql`false`;
const UNKNOWN = sql`null::boolean`;
