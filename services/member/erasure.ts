import { countedBy, type Erasing, type Erasure } from '#platform/erasure.ts';
import { COMPACTED_WITHIN_MS } from '#platform/kafka/topics.ts';
import { addEvents, eraseUndos } from '#platform/operations/postgres.ts';
import { type Database, sql, type Transaction } from '#platform/postgres/database.ts';
import { deletedEvent, erasedEvent } from './events.ts';

/**
 * How often Kafka is told to forget a member, and how long after the first time: with the second, the brokers close the segments that
 * have its events (`COMPACTED_WITHIN_MS`). Half an hour is for clocks that differ.
 */
const TOMBSTONES = 2;
const BETWEEN_SECONDS = COMPACTED_WITHIN_MS / 1_000 + 1_800;

/** How Member erases what it keeps of deleted members, and what Kafka keeps of them. */
export const memberErasure = (db: Database): Erasure => ({
  erase: (memberIds) => db.transaction((tx) => erase(tx, [...memberIds])),
});

async function erase(tx: Transaction, ids: string[]): Promise<Erasing> {
  // A restored copy has it again.
  const back = await tx.query<Deleted>(sql`
    delete from members where member_id = any(${ids}::text[]) returning member_id as "memberId", version + 1 as version`);
  await note(tx, ids, back);
  const undos = await eraseUndos(tx, ids);
  // What could not be sent: the deletion and the tombstone say all that there is to know.
  const unsent = await tx.query<{ memberId: string }>(sql`
    delete from outbox where aggregatetype = 'member' and aggregateid = any(${ids}::text[]) and payload ? 'member'
    returning aggregateid as "memberId"`);
  const told = await tx.query<Deleted>(sql`
    update deleted_members set tombstones = tombstones + 1, tombstone_at = now(), version = version + 1
    where member_id = any(${ids}::text[]) and tombstones < ${TOMBSTONES}
      and (tombstone_at is null or tombstone_at < now() - make_interval(secs => ${BETWEEN_SECONDS}))
    returning member_id as "memberId", version`);
  await addEvents(tx, [
    ...back.map(({ memberId, version }) => deletedEvent(memberId, version)),
    ...told.map(({ memberId, version }) => erasedEvent(memberId, version)),
  ]);
  const pending = await tx.query<{ id: string }>(sql`
    select member_id as id from deleted_members where member_id = any(${ids}::text[]) and tombstones < ${TOMBSTONES}`);
  const idsOf = (rows: readonly { memberId: string }[]): string[] => rows.map(({ memberId }) => memberId);
  const erased = [
    ...countedBy('members', idsOf(back)),
    ...undos,
    ...countedBy('outbox', idsOf(unsent)),
    ...countedBy('events', idsOf(told)),
  ];
  return { erased, pending: pending.map(({ id }) => id) };
}

interface Deleted {
  memberId: string;
  version: number;
}

/** That these are erased. Of those that were there again Kafka is told once more. */
async function note(tx: Transaction, ids: readonly string[], back: readonly Deleted[]): Promise<void> {
  const versions = new Map(back.map(({ memberId, version }) => [memberId, version]));
  const sorted = ids.toSorted();
  await tx.query(sql`
    insert into deleted_members as had (member_id, version, erased_at)
    select id, coalesce(back, 1), now()
    from unnest(${sorted}::text[], ${sorted.map((id) => versions.get(id) ?? null)}::bigint[]) as erased (id, back)
    on conflict (member_id) do update set
      version = greatest(had.version, excluded.version), erased_at = coalesce(had.erased_at, excluded.erased_at),
      tombstones = case when had.member_id = any(${[...versions.keys()]}::text[]) then 0 else had.tombstones end,
      tombstone_at = case when had.member_id = any(${[...versions.keys()]}::text[]) then null else had.tombstone_at end
    where had.erased_at is null or had.member_id = any(${[...versions.keys()]}::text[])`);
}
