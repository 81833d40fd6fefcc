import { Loader } from '#platform/concurrency/loader.ts';
import {
  type Database,
  fieldOf,
  fieldsOf,
  isStatementTimeout,
  join,
  nullsAbsent,
  openDatabase,
  type Query,
  sql,
} from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import { type Cursor, containing } from './domain.ts';
import { members } from './projections/members.ts';
import { searchTooSlow } from './refusals.ts';

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

/** Of a member's columns those that are shown; the others are what it is found by. */
const SHOWN = members.columns.filter((column) => column !== 'visible' && column !== 'search').map(fieldOf);

const MEMBER_VIEW = sql`
  select m.id as "memberId", m.version, coalesce(r.role_ids, '{}') as "roleIds", ${fieldsOf(SHOWN, 'm')}
  from members m left join member_roles r on r.id = m.id`;

/** Finds members by their IDs: those who ask at the same time are answered by one statement, each with undefined where nobody is seen. */
export type MemberLoader = Loader<string, MemberView | undefined>;

export function memberLoader(db: Database): MemberLoader {
  return new Loader(async (ids) => {
    const rows = await db.query<MemberView>(membersOf(ids));
    const found = new Map(rows.map((row) => [row.memberId, nullsAbsent(row)]));
    return ids.map((id) => found.get(id));
  });
}

/** The statement of {@link memberLoader}. */
export const membersOf = (ids: readonly string[]): Query => sql`${MEMBER_VIEW} where m.visible and m.id = any(${ids})`;

/** A page of members, by display name, then ID: `limit` at most of those after `after`. */
export interface Page {
  after: Cursor | undefined;
  limit: number;
}

/** @throws CALLER_GONE once the signal has aborted */
export async function allMembers(db: Database, page: Page, signal?: AbortSignal): Promise<MemberView[]> {
  return (await db.query<MemberView>(allOf(page), signal)).map(nullsAbsent);
}

/** The statement of {@link allMembers}. */
export const allOf = (page: Page): Query => pageOf([], page);

/**
 * The members in whom every word is found.
 *
 * Words of less than three characters have no trigram, so they are looked for in every row: it may take long.
 *
 * @param longestMs what takes longer is cut
 * @throws TOO_BUSY when it was cut
 */
export async function findMembers(
  db: Database,
  { words, longestMs, ...page }: Page & { words: readonly string[]; longestMs: number },
): Promise<MemberView[]> {
  try {
    const rows = await db.transaction((tx) => {
      tx.defer(sql`select set_config('statement_timeout', ${String(longestMs)}, true)`);
      return tx.query<MemberView>(
        pageOf(
          words.map((word) => sql`m.search like ${containing(word)}`),
          page,
        ),
      );
    });
    return rows.map(nullsAbsent);
  } catch (error) {
    throw isStatementTimeout(error) ? searchTooSlow(error) : error;
  }
}

function pageOf(conditions: readonly Query[], { after, limit }: Page): Query {
  const all = [
    sql`m.visible`,
    ...conditions,
    ...(after ? [sql`(m.display_name, m.id) > (${after.displayName}, ${after.memberId})`] : []),
  ];
  return sql`${MEMBER_VIEW} where ${join(all, sql` and `)} order by m.display_name, m.id limit ${limit}`;
}
