import {
  columnOf,
  type Database,
  fieldsOf,
  join,
  openDatabase,
  type Query,
  sql,
  type Transaction,
} from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Which } from '#platform/state.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { MEMBER_FIELDS, type Member } from './domain.ts';
import { memberNotFound } from './refusals.ts';

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_member` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_member', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

const MEMBER = fieldsOf(MEMBER_FIELDS);
const COLUMNS = join(MEMBER_FIELDS.map(columnOf));
const CHANGING = MEMBER_FIELDS.filter((field) => field !== 'memberId' && field !== 'createdAt');
const CHANGING_COLUMNS = join(CHANGING.map(columnOf));

const valuesOf = (m: Member, fields: readonly (keyof Member)[]): Query => join(fields.map((field) => sql`${m[field]}`));

/** The member, which no other transaction can change until the transaction ends; undefined when there is none. */
export async function findMember(tx: Transaction, memberId: string): Promise<Member | undefined> {
  const [row] = await tx.query<Member>(sql`select ${MEMBER} from members where member_id = ${memberId} for update`);
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
    insert into members (${COLUMNS}) values (${valuesOf(m, MEMBER_FIELDS)})
    on conflict (member_id) do nothing returning 1`);
  return rows.length > 0;
}

/** Writes everything but the ID and the time of creation. */
export async function saveMember(tx: Transaction, m: Member): Promise<void> {
  await tx.query(sql`
    update members set (${CHANGING_COLUMNS}) = row(${valuesOf(m, CHANGING)}) where member_id = ${m.memberId}`);
}

export async function removeMember(tx: Transaction, memberId: string): Promise<void> {
  await tx.query(sql`delete from members where member_id = ${memberId}`);
}

/** Notes for ever that a member was deleted. @param version of the event that tells of it */
export async function noteDeleted(tx: Transaction, { memberId, version }: Pick<Member, 'memberId' | 'version'>): Promise<void> {
  await tx.query(sql`insert into deleted_members (member_id, version) values (${memberId}, ${version})
    on conflict (member_id) do update set version = greatest(deleted_members.version, excluded.version)`);
}

export async function takeBackDeleted(tx: Transaction, memberId: string): Promise<void> {
  await tx.query(sql`delete from deleted_members where member_id = ${memberId}`);
}

/** A page of members, or those of some IDs that there are; in the order of their IDs. */
export function readMembers(db: Transaction, which: Which): Promise<Member[]> {
  return db.query<Member>(
    'ids' in which
      ? sql`select ${MEMBER} from members where member_id = any(${[...which.ids]}::text[]) order by member_id`
      : sql`select ${MEMBER} from members where member_id > ${which.after} order by member_id limit ${which.limit}`,
  );
}

/**
 * Raises the versions of those that are not newer than what readers have.
 *
 * @returns the members that were raised, and the IDs of all that there are
 */
export async function raiseMembers(
  tx: Transaction,
  seen: readonly AggregateVersion[],
): Promise<{ raised: Member[]; ids: Set<string> }> {
  const ids = seen.map(({ id }) => id);
  const raised = await tx.query<Member>(sql`
    update members set version = seen_version + 1
    from unnest(${ids}::text[], ${seen.map(({ version }) => version)}::bigint[]) as seen (seen_id, seen_version)
    where member_id = seen_id and version <= seen_version returning ${MEMBER}`);
  const there = await tx.query<{ id: string }>(sql`select member_id as id from members where member_id = any(${ids}::text[])`);
  return { raised, ids: new Set(there.map(({ id }) => id)) };
}
