import type { Secret } from '#platform/config.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import { type Database, openDatabase, sql, type Transaction } from '#platform/postgres.ts';
import type { Member } from './domain.ts';
import { memberNotFound } from './refusals.ts';

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_member` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_member', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

/** The member, which nobody else can change until the transaction ends; undefined when there is none. */
export async function findMember(tx: Transaction, memberId: string): Promise<Member | undefined> {
  const [row] = await tx.query<Member>(sql`
    select member_id as "memberId", login_id as "loginId", display_name as "displayName", email, status,
      pending_changes as "pendingChanges", lock, lock_holder as "lockHolder", closed_by as "closedBy", version, created_at as "createdAt", updated_at as "updatedAt"
    from members where member_id = ${memberId} for update`);
  return row;
}

/** As {@link findMember}. @throws MEMBER_NOT_FOUND */
export async function getMember(tx: Transaction, memberId: string): Promise<Member> {
  const member = await findMember(tx, memberId);
  if (!member) throw memberNotFound();
  return member;
}

/** @returns false, with nothing written, when a member of this ID is there already */
export async function insertMember(tx: Transaction, m: Member): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into members (member_id, login_id, display_name, email, status, pending_changes, lock, lock_holder, closed_by, version,
      created_at, updated_at)
    values (${m.memberId}, ${m.loginId}, ${m.displayName}, ${m.email}, ${m.status}, ${m.pendingChanges}, ${m.lock}, ${m.lockHolder},
      ${m.closedBy}, ${m.version}, ${m.createdAt}, ${m.updatedAt})
    on conflict (member_id) do nothing returning 1`);
  return rows.length > 0;
}

/** Writes everything but the ID and the time of creation. */
export async function saveMember(tx: Transaction, m: Member): Promise<void> {
  await tx.query(sql`
    update members set login_id = ${m.loginId}, display_name = ${m.displayName}, email = ${m.email}, status = ${m.status},
      pending_changes = ${m.pendingChanges}, lock = ${m.lock}, lock_holder = ${m.lockHolder}, closed_by = ${m.closedBy}, version = ${m.version}, updated_at = ${m.updatedAt}
    where member_id = ${m.memberId}`);
}

export async function removeMember(tx: Transaction, memberId: string): Promise<void> {
  await tx.query(sql`delete from members where member_id = ${memberId}`);
}
