import { Loader } from '#platform/concurrency/loader.ts';
import {
  type Database,
  fieldOf,
  fieldsOf,
  join,
  nullsAbsent,
  openDatabase,
  type Query,
  sql,
} from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { GetMemberRequest, MemberView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { members } from './projections/members.ts';
import { type Found, find, type Search } from './search.ts';
import { isAll, type Listed, seenBy } from './seen.ts';
import { fillSkeletons } from './skeletons.ts';

/** The database of the read models. */
export const DATABASE = 'musubi_query';

/** Opens the read models' database, made and migrated when it is not. Nothing is published from here: it has no outbox. */
export async function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  const db = await openDatabase({
    database: DATABASE,
    ...o,
    migrations: new URL('./migrations/', import.meta.url),
    outbox: false,
  });
  await fillSkeletons(db);
  return db;
}

/** Tells this read model from others that were made before or elsewhere. A UUID. */
export async function generationOf(db: Database): Promise<string> {
  const [row] = await db.query<{ generation: string }>(sql`select generation from read_model`);
  if (!row) throw new Error('the read model has lost its generation: drop its database to have it made again');
  return row.generation;
}

/** Of a member's columns those that are shown; the others are what it is found by. */
const FOUND_BY: readonly string[] = ['visible', 'search', 'display_skeleton', 'login_skeleton'];
const SHOWN = members.columns.filter((column) => !FOUND_BY.includes(column)).map(fieldOf);

/** What is shown of a member, of {@link MEMBERS}. */
export const MEMBER_FIELDS = sql`
  m.id as "memberId", m.version, coalesce(r.role_ids, '{}') as "roleIds", ${fieldsOf(SHOWN, 'm')}`;
export const MEMBERS = sql`members m left join member_roles r on r.id = m.id`;
const MEMBER_VIEW = sql`select ${MEMBER_FIELDS} from ${MEMBERS}`;

/** Finds a member by its ID; undefined where there is none that `seen` lets see. */
export type MemberLoader = (request: GetMemberRequest) => Promise<MemberView | undefined>;

/** Those who may see all, as nearly everybody may, and ask at the same time, are answered by one statement. */
export function memberLoader(db: Database): MemberLoader {
  const all = new Loader(async (ids: readonly string[]) => {
    const rows = await db.query<MemberView>(membersOf(ids));
    const found = new Map(rows.map((row) => [row.memberId, nullsAbsent(row)]));
    return ids.map((id) => found.get(id));
  });
  return async ({ memberId, seen }) => {
    if (isAll(seen)) return await all.load(memberId);
    const [row] = await db.query<MemberView>(sql`${membersOf([memberId])} and ${seenBy(seen, LISTED)}`);
    return row && nullsAbsent(row);
  };
}

/** The statement of {@link memberLoader} for those who may see all. */
export const membersOf = (ids: readonly string[]): Query => sql`${MEMBER_VIEW} where m.visible and m.id = any(${ids})`;

/** Which members are listed. */
export interface Members extends Page {
  /** Those that who asks may see. */
  seen: Condition | undefined;
  /** Those who hold this role; empty: all. */
  roleId: string;
}

/** Where {@link MEMBERS} have what conditions look at. */
export const LISTED: Listed = { id: sql`m.id`, owner: sql`m.id`, in: { Role: sql`r.role_ids` } };

/** @throws CALLER_GONE once the signal has aborted */
export async function allMembers(db: Database, members: Members, signal?: AbortSignal): Promise<MemberView[]> {
  return (await db.query<MemberView>(allOf(members), signal)).map(nullsAbsent);
}

/** The statement of {@link allMembers}. */
export const allOf = (members: Members): Query => pageOf([], members);

/** The members in whom every word is found, in the order of {@link find}. @throws TOO_BUSY when it was cut */
export async function findMembers(db: Database, search: Search, members: Members): Promise<Found<MemberView>> {
  const { items, beginning } = await find<MemberView>(db, search, sql`m.search`, members, (conditions, page) =>
    pageOf(conditions, { ...members, ...page }),
  );
  return { items: items.map(nullsAbsent), beginning };
}

export function pageOf(conditions: readonly Query[], { after, limit, seen, roleId }: Members): Query {
  const all = [
    sql`m.visible`,
    seenBy(seen, LISTED),
    ...(roleId === '' ? [] : [sql`r.role_ids @> array[${roleId}]`]),
    ...conditions,
    ...(after ? [sql`(m.display_name, m.id) > (${after.name}, ${after.id})`] : []),
  ];
  return sql`${MEMBER_VIEW} where ${join(all, sql` and `)} order by m.display_name, m.id limit ${limit}`;
}
