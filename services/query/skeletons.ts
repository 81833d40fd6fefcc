import { type Database, sql } from '#platform/postgres/database.ts';
import { skeletonsOf } from './projections/members.ts';

const AT_ONCE = 1_000;

/** Gives the members of before there were skeletons theirs, which no migration can make. An event that comes meanwhile goes before. */
export async function fillSkeletons(db: Database): Promise<void> {
  for (;;) {
    const rows = await db.query<{ id: string; displayName: string; loginId: string; version: number }>(sql`
      select id, coalesce(display_name, '') as "displayName", coalesce(login_id, '') as "loginId", version from members
      where display_skeleton is null and gone_at is null limit ${AT_ONCE}`);
    if (rows.length === 0) return;
    const filled = rows.map(({ id, version, ...names }) => ({ id, version, ...skeletonsOf(names) }));
    await db.query(sql`
      update members m set display_skeleton = new.display_skeleton, login_skeleton = new.login_skeleton
      from jsonb_to_recordset(${JSON.stringify(filled)}::jsonb)
        as new (id text, version bigint, display_skeleton text, login_skeleton text)
      where m.id = new.id and m.version = new.version`);
  }
}
