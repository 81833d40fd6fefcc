import { type Database, nullsAbsent, sql } from '#platform/postgres/database.ts';
import type { MemberNames, MemberView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { within } from './search.ts';
import { pageOf } from './store.ts';

/**
 * Who has a name that looks like another's: a display name that is written otherwise, a login, or one's display name and the other's
 * login. Members who have the very same display name are not among them: many do, and anybody finds them by that name.
 */
const LOOKS_LIKE_ANOTHER = sql`m.id in (
  select unnest(array_agg(id)) from members where visible
  group by display_skeleton having count(distinct display_name collate "C") > 1
  union all select unnest(array_agg(id)) from members where visible group by login_skeleton having count(*) > 1
  union all select unnest(array[a.id, b.id]) from members a join members b on b.login_skeleton = a.display_skeleton
  where a.visible and b.visible and a.id <> b.id)`;

/** Who may list lookalikes sees all. */
const EVERY = { kind: { $case: 'always', value: true } } as const;

/** A page of the members whose names look like others'. @throws TOO_BUSY when it takes longer than `longestMs` */
export async function lookalikes(db: Database, longestMs: number, page: Page): Promise<MemberView[]> {
  return (await within<MemberView>(db, longestMs, pageOf([LOOKS_LIKE_ANOTHER], { ...page, seen: EVERY, roleId: '' }))).map(
    nullsAbsent,
  );
}

/** So many are shown whom one looks like. */
const SHOWN = 10;

/** Whose names those of each of these members look like. @throws TOO_BUSY when it takes longer than `longestMs` */
export async function looksLike(db: Database, longestMs: number, ids: readonly string[]): Promise<Map<string, MemberNames[]>> {
  // The inner query is closed off, so that it goes by the skeletons, and not by all members in the order of their IDs.
  const rows = await within<MemberNames & { of: string }>(
    db,
    longestMs,
    sql`
      select m.id as of, o.id as "memberId", o.login_id as "loginId", o.display_name as "displayName"
      from members m cross join lateral (
        select * from (
          select o.id, o.login_id, o.display_name from members o
          where o.visible and o.id <> m.id and (
            o.display_skeleton = m.display_skeleton and o.display_name <> m.display_name
            or o.display_skeleton = m.login_skeleton
            or o.login_skeleton in (m.login_skeleton, m.display_skeleton))
          offset 0) o
        order by o.id limit ${SHOWN}) o
      where m.id = any(${[...ids]}::text[])`,
  );
  const found = new Map<string, MemberNames[]>(ids.map((id) => [id, []]));
  for (const { of, ...names } of rows) found.get(of)?.push(names);
  return found;
}
