import { sql, type Transaction } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { MemberRolesChange } from './domain.ts';
import type { MemberRoles } from './events.ts';
import { memberDeleting, memberRolesBusy, roleBusy } from './refusals.ts';

// Who holds which role, in the store.

/**
 * Which of these roles do not exist; one that is being created or deleted is none to give to anybody. Until the transaction
 * ends, none of the others is deleted.
 */
export async function missingRoles(tx: Transaction, roleIds: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(sql`
    with there as (
      select role_id from roles where role_id = any(${[...roleIds]}::text[])
        and version > 0 and pending->>'change' is distinct from 'delete' for key share
    )
    select wanted as "roleId" from unnest(${[...roleIds]}::text[]) wanted
    where wanted not in (select role_id from there) order by wanted`);
  return rows.map((row) => row.roleId);
}

/** @throws MEMBER_ROLES_BUSY (retryable) while a job changes the member's roles */
export async function requireFreeRoles(tx: Transaction, memberId: string): Promise<void> {
  const rows = await tx.query(sql`
    select from member_role_versions where member_id = ${memberId} and lock_holder is not null for update`);
  if (rows.length > 0) throw memberRolesBusy();
}

/** @throws MEMBER_DELETING for a member that gets no roles any more */
export async function requireNotClosed(tx: Transaction, memberId: string): Promise<void> {
  const rows = await tx.query(sql`
    select from member_role_versions where member_id = ${memberId} and pending @> '{"closed": true}' for update`);
  if (rows.length > 0) throw memberDeleting();
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

/**
 * A page of the roles that members hold, or held once, or those of some members; in the order of the members' IDs. `changing`: a
 * job has them.
 */
export function readMemberRoles(db: Transaction, which: Which): Promise<(MemberRoles & { changing: boolean })[]> {
  const some =
    'ids' in which
      ? sql`where member_id = any(${[...which.ids]}::text[]) order by member_id`
      : sql`where member_id > ${which.after} order by member_id limit ${which.limit}`;
  return db.query<MemberRoles & { changing: boolean }>(sql`
    select member_id as "memberId", version, lock_holder is not null as changing,
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
 * take the role from one of the last two holders can't both succeed. One from whom a job is taking it does not count.
 *
 * @param besides a member that does not count either
 */
export async function hasHolder(tx: Transaction, roleId: string, besides = ''): Promise<boolean> {
  // "No key": assigning the role, which refers to this row, need not wait.
  await tx.query(sql`select from roles where role_id = ${roleId} for no key update`);
  const rows = await tx.query(sql`
    select from member_roles r where role_id = ${roleId} and member_id <> ${besides} and not exists (
      select from member_role_versions v where v.member_id = r.member_id and v.pending->'remove' ? ${roleId}
    ) limit 1`);
  return rows.length > 0;
}

/** Takes a member's roles for a job, with what it will make of them. @returns false while another job has them */
export async function lockMemberRoles(
  tx: Transaction,
  memberId: string,
  jobId: string,
  change: MemberRolesChange | { closed: true },
): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into member_role_versions (member_id, version, lock_holder, pending)
    values (${memberId}, 1, ${jobId}, ${JSON.stringify(change)}::jsonb)
    on conflict (member_id) do update set lock_holder = excluded.lock_holder, pending = excluded.pending
    where member_role_versions.lock_holder is null returning 1`);
  return rows.length > 0;
}

/** What a job has begun with a member's roles; undefined: it does not hold them. */
export async function pendingRoles(tx: Transaction, memberId: string, jobId: string): Promise<MemberRolesChange | undefined> {
  const [row] = await tx.query<{ pending: MemberRolesChange }>(sql`
    select pending from member_role_versions where member_id = ${memberId} and lock_holder = ${jobId} for update`);
  return row?.pending;
}

export async function releaseMemberRoles(tx: Transaction, memberId: string, jobId: string): Promise<void> {
  await tx.query(sql`
    update member_role_versions set lock_holder = null, pending = null where member_id = ${memberId} and lock_holder = ${jobId}`);
}

/**
 * For a role that is to be deleted. Its row is taken: who would give it to somebody waits for that.
 * @throws ROLE_BUSY (retryable) while a job is giving it to somebody
 */
export async function requireNobodyGets(tx: Transaction, roleId: string): Promise<void> {
  const rows = await tx.query(sql`
    select from member_role_versions where lock_holder is not null and pending->'add' ? ${roleId} limit 1`);
  if (rows.length > 0) throw roleBusy();
}

export async function countHolders(tx: Transaction, roleId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(sql`select count(*) as count from member_roles where role_id = ${roleId}`);
  return Number(row?.count ?? 0);
}

/** Takes a role from some of its holders. @returns what these hold now */
export async function takeFromHolders(tx: Transaction, roleId: string, limit: number): Promise<MemberRoles[]> {
  return await tx.query<MemberRoles>(sql`
    with chosen as (select member_id from member_roles where role_id = ${roleId} order by member_id limit ${limit}),
    taken as (delete from member_roles r using chosen s where r.member_id = s.member_id and r.role_id = ${roleId} returning r.member_id),
    raised as (
      update member_role_versions v set version = v.version + 1 from taken t where v.member_id = t.member_id
      returning v.member_id, v.version
    )
    select member_id as "memberId", version,
      array(select role_id from member_roles r where r.member_id = v.member_id and role_id <> ${roleId} order by role_id) as "roleIds"
    from raised v order by member_id`);
}
