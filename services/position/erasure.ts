import { countedBy, type Erasure } from '#platform/erasure.ts';
import { addEvents, eraseUndos } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { bindingsId, readBindings } from './bindings.ts';
import { bindingsEvent } from './events.ts';

/**
 * How Position erases deleted members: a deletion lets them go already, and a restored copy may have brought their bindings back. What they were
 * bound to until then goes, too.
 */
export const positionErasure = (db: Database): Erasure => ({
  erase: (memberIds) =>
    db.transaction(async (tx) => {
      const back = await tx.query<{ groupId: string; memberId: string }>(sql`
        delete from bindings where member_id = any(${[...memberIds]}::text[])
        returning group_id as "groupId", member_id as "memberId"`);
      const [groupIds, ids] = [back.map(({ groupId }) => groupId), back.map(({ memberId }) => memberId)];
      await tx.query(sql`
        insert into binding_versions (group_id, member_id, version)
        select distinct group_id, member_id, 1 from unnest(${groupIds}::text[], ${ids}::text[]) as back (group_id, member_id)
        order by group_id, member_id
        on conflict (group_id, member_id) do update set version = binding_versions.version + 1`);
      const after = await readBindings(tx, { ids: [...new Set(back.map(bindingsId))] });
      await addEvents(tx, after.map(bindingsEvent));
      return { erased: [...countedBy('bindings', ids), ...(await eraseUndos(tx, memberIds))] };
    }),
});
