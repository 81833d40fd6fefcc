import { countedBy, type Erasure } from '#platform/erasure.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { memberRolesEvent } from './events.ts';
import { readMemberRoles } from './member-roles.ts';

/** How Role erases deleted members: a deletion takes their roles already, and a restored copy may have brought them back. */
export const roleErasure = (db: Database): Erasure => ({
  erase: (memberIds) =>
    db.transaction(async (tx) => {
      const back = await tx.query<{ memberId: string }>(sql`
        delete from member_roles where member_id = any(${[...memberIds]}::text[]) returning member_id as "memberId"`);
      const ids = [...new Set(back.map(({ memberId }) => memberId))].sort();
      await tx.query(sql`
        insert into member_role_versions (member_id, version) select id, 1 from unnest(${ids}::text[]) as back (id)
        on conflict (member_id) do update set version = member_role_versions.version + 1`);
      const after = await readMemberRoles(tx, { ids });
      await addEvents(
        tx,
        after.map((each) => memberRolesEvent('member-roles.unassigned', each)),
      );
      return {
        erased: countedBy(
          'member_roles',
          back.map(({ memberId }) => memberId),
        ),
      };
    }),
});
