import { type Database, openDatabase, sql, type Transaction } from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Which } from '#platform/state.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { definitionHash, type Role, type RoleDefinition } from './domain.ts';
import type { MemberRoles } from './events.ts';

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_role` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_role', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

/**
 * Brings a built-in role to its definition; one that is so already is not touched.
 * Concurrent calls wait for each other at the role's row, and the later one finds nothing to do.
 */
export async function putBuiltInRole(tx: Transaction, role: RoleDefinition): Promise<void> {
  const changed = await tx.query(sql`
    insert into roles (role_id, name, description, built_in, definition_hash, version, created_at, updated_at)
    values (${role.roleId}, ${role.name}, ${role.description}, true, ${definitionHash(role)}, 1, now(), now())
    on conflict (role_id) do update set name = excluded.name, description = excluded.description, built_in = true,
      definition_hash = excluded.definition_hash, version = roles.version + 1, updated_at = excluded.updated_at
    where roles.definition_hash is distinct from excluded.definition_hash
    returning 1`);
  if (changed.length === 0) return;
  const ids = role.policies.map((policy) => policy.policyId);
  await tx.query(sql`
    insert into policies (policy_id, name, cedar, built_in)
    select *, true from unnest(${ids}::text[], ${role.policies.map((policy) => policy.name)}::text[],
      ${role.policies.map((policy) => policy.cedar)}::text[])
    on conflict (policy_id) do update set name = excluded.name, cedar = excluded.cedar, built_in = true`);
  await tx.query(sql`delete from role_policies where role_id = ${role.roleId}`);
  await tx.query(sql`insert into role_policies (role_id, policy_id) select ${role.roleId}, unnest(${ids}::text[])`);
  // What only an earlier release's definition carried.
  await tx.query(sql`
    delete from policies p where built_in and not exists (select from role_policies r where r.policy_id = p.policy_id)`);
}

/** The roles of these IDs that exist, with their policies, ordered by ID. */
export async function findRoles(tx: Transaction, roleIds: readonly string[]): Promise<Role[]> {
  return tx.query<Role>(sql`
    select r.role_id as "roleId", r.name, r.description, r.built_in as "builtIn", r.version,
      r.created_at as "createdAt", r.updated_at as "updatedAt",
      coalesce(
        (select json_agg(json_build_object('policyId', p.policy_id, 'name', p.name, 'cedar', p.cedar) order by p.policy_id)
         from role_policies rp join policies p using (policy_id) where rp.role_id = r.role_id),
        '[]') as policies
    from roles r where r.role_id = any(${[...roleIds]}::text[]) order by r.role_id`);
}

/** Which of these roles do not exist. */
export async function missingRoles(tx: Transaction, roleIds: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(sql`
    select wanted as "roleId" from unnest(${[...roleIds]}::text[]) wanted
    where not exists (select from roles where role_id = wanted) order by wanted`);
  return rows.map((row) => row.roleId);
}

/** The member's next version of its roles. Until the transaction ends no other can change the member's roles. */
export async function nextVersion(tx: Transaction, memberId: string): Promise<number> {
  const [row] = await tx.query<{ version: number }>(sql`
    insert into member_role_versions (member_id, version) values (${memberId}, 1)
    on conflict (member_id) do update set version = member_role_versions.version + 1 returning version`);
  return (row as { version: number }).version;
}

/** The roles that a member holds, ordered. */
export async function rolesOf(tx: Transaction, memberId: string): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(sql`
    select role_id as "roleId" from member_roles where member_id = ${memberId} order by role_id`);
  return rows.map((row) => row.roleId);
}

/** A page of the roles that members hold, or held once, or those of some members; in the order of the members' IDs. */
export function readMemberRoles(db: Transaction, which: Which): Promise<MemberRoles[]> {
  const some =
    'ids' in which
      ? sql`where member_id = any(${[...which.ids]}::text[]) order by member_id`
      : sql`where member_id > ${which.after} order by member_id limit ${which.limit}`;
  return db.query<MemberRoles>(sql`
    select member_id as "memberId", version,
      array(select role_id from member_roles r where r.member_id = v.member_id order by role_id) as "roleIds"
    from member_role_versions v ${some}`);
}

/** Raises the versions of those that are not newer than what readers have. @returns their members' IDs */
export async function raiseVersions(tx: Transaction, seen: readonly AggregateVersion[]): Promise<string[]> {
  const rows = await tx.query<{ memberId: string }>(sql`
    insert into member_role_versions (member_id, version)
    select id, version + 1 from unnest(${seen.map(({ id }) => id)}::text[], ${seen.map(({ version }) => version)}::bigint[])
      as seen (id, version)
    on conflict (member_id) do update set version = excluded.version where member_role_versions.version < excluded.version
    returning member_id as "memberId"`);
  return rows.map(({ memberId }) => memberId);
}

/** @returns the roles that the member did not hold before. Roles that do not exist are passed over. */
export async function addRoles(tx: Transaction, memberId: string, roleIds: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(sql`
    insert into member_roles (member_id, role_id)
    select ${memberId}, role_id from roles where role_id = any(${[...roleIds]}::text[])
    on conflict do nothing returning role_id as "roleId"`);
  return rows.map((row) => row.roleId);
}

export async function removeRoles(tx: Transaction, memberId: string, roleIds: readonly string[]): Promise<void> {
  await tx.query(sql`delete from member_roles where member_id = ${memberId} and role_id = any(${[...roleIds]}::text[])`);
}

/** @returns the roles that the member held */
export async function removeAllRoles(tx: Transaction, memberId: string): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(
    sql`delete from member_roles where member_id = ${memberId} returning role_id as "roleId"`,
  );
  return rows.map((row) => row.roleId);
}

/**
 * Whether anybody holds the role, once every transaction that asked this before has ended: two that each
 * take the role from one of the last two holders can't both succeed.
 */
export async function hasHolder(tx: Transaction, roleId: string): Promise<boolean> {
  // "No key": assigning the role, which refers to this row, need not wait.
  await tx.query(sql`select from roles where role_id = ${roleId} for no key update`);
  const rows = await tx.query(sql`select from member_roles where role_id = ${roleId} limit 1`);
  return rows.length > 0;
}
