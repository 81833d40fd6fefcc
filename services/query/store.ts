import type { Secret } from '#platform/config.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import { type Database, join, openDatabase, sql, type Transaction } from '#platform/postgres.ts';
import { type Cursor, containing, type MemberView } from './domain.ts';

/** The database of the read models. */
export const DATABASE = 'musubi_query';

/** Opens the read models' database, made and migrated when it is not. Nothing is published from here: it has no outbox. */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: DATABASE, ...o, migrations: new URL('./migrations/', import.meta.url), outbox: false });
}

/** Tells this read model from others that were made before or elsewhere. A UUID. */
export async function generationOf(db: Database): Promise<string> {
  const [row] = await db.query<{ generation: string }>(sql`select generation from read_model`);
  if (!row) throw new Error('the read model has lost its generation: drop its database to have it made anew');
  return row.generation;
}

const MEMBER_VIEW = sql`
  select m.id as "memberId", m.login_id as "loginId", m.display_name as "displayName", m.email,
    coalesce(r.role_ids, '{}') as "roleIds", m.created_at as "createdAt", m.updated_at as "updatedAt", m.version
  from members m left join member_roles r on r.id = m.id`;

export async function findMember(db: Transaction, memberId: string): Promise<MemberView | undefined> {
  const [row] = await db.query<MemberView>(sql`${MEMBER_VIEW} where m.visible and m.id = ${memberId}`);
  return row;
}

/** The members in whom every word is found, by display name, then ID; at most `limit` of those after `after`. */
export function findMembers(
  db: Transaction,
  { words, after, limit }: { words: readonly string[]; after: Cursor | undefined; limit: number },
): Promise<MemberView[]> {
  const conditions = [
    sql`m.visible`,
    ...words.map((word) => sql`m.search like ${containing(word)}`),
    ...(after ? [sql`(m.display_name, m.id) > (${after.displayName}, ${after.memberId})`] : []),
  ];
  return db.query<MemberView>(sql`
    ${MEMBER_VIEW} where ${join(conditions, sql` and `)} order by m.display_name, m.id limit ${limit}`);
}
