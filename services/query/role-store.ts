import { type Database, fieldOf, fieldsOf, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { PolicyView, RoleView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { policies } from './projections/policies.ts';
import type { Projection } from './projections/projection.ts';
import { roles } from './projections/roles.ts';
import { type Listed, seenBy } from './seen.ts';

// Roles and policies, as they are read.

const viewOf = ({ columns }: Projection, table: Query, idAs: Query): Query =>
  sql`select t.id as ${idAs}, t.version, ${fieldsOf(columns.map(fieldOf), 't')} from ${table} t`;

const ROLE_VIEW = viewOf(roles, sql`roles`, sql`"roleId"`);
const POLICY_VIEW = viewOf(policies, sql`policies`, sql`"policyId"`);
const THERE = sql`t.gone_at is null`;
/** Where both have what conditions look at. */
const LISTED: Listed = { id: sql`t.id` };

function pageOf(
  view: Query,
  conditions: readonly Query[],
  { after, limit, seen }: Page & { seen: Condition | undefined },
): Query {
  const all = [
    THERE,
    seenBy(seen, LISTED),
    ...conditions,
    ...(after ? [sql`(t.name, t.id) > (${after.name}, ${after.id})`] : []),
  ];
  return sql`${view} where ${join(all, sql` and `)} order by t.name, t.id limit ${limit}`;
}

const finder =
  <View extends object>(view: Query) =>
  async (db: Database, id: string, seen: Condition | undefined): Promise<View | undefined> => {
    if (id.includes('\0')) return undefined;
    const [row] = await db.query<View>(sql`${view} where ${THERE} and t.id = ${id} and ${seenBy(seen, LISTED)}`);
    return row && (nullsAbsent(row) as View);
  };

export const findRole = finder<RoleView>(ROLE_VIEW);
export const findPolicy = finder<PolicyView>(POLICY_VIEW);

/** @param memberId those that this member holds; empty: all */
export async function listedRoles(
  db: Database,
  { memberId, ...page }: Page & { seen: Condition | undefined; memberId: string },
): Promise<RoleView[]> {
  const held = sql`t.id = any((select role_ids from member_roles where id = ${memberId})::text[])`;
  const rows = await db.query<RoleView>(pageOf(ROLE_VIEW, memberId === '' ? [] : [held], page));
  return rows.map((row) => nullsAbsent(row) as RoleView);
}

export async function listedPolicies(db: Database, page: Page & { seen: Condition | undefined }): Promise<PolicyView[]> {
  const rows = await db.query<PolicyView>(pageOf(POLICY_VIEW, [], page));
  return rows.map((row) => nullsAbsent(row) as PolicyView);
}
