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
import { nameKey } from '#platform/validation/group-fields.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { Position } from './domain.ts';
import { groupNotFound, nameTaken } from './refusals.ts';

// Positions, in the store. Who is bound to them: bindings.ts.

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_position` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_position', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

const FIELDS = [
  'positionId',
  'groupId',
  'name',
  'kind',
  'permissions',
  'version',
  'lockHolder',
  'pending',
  'createdAt',
  'updatedAt',
] as const;

/** A list is bound as JSON only when it is written so. */
const bound = (position: Position, field: (typeof FIELDS)[number]): Query =>
  field === 'permissions' ? sql`${JSON.stringify(position.permissions)}::jsonb` : sql`${position[field]}`;

/**
 * Takes a group until the transaction ends: what begins to change its positions, or who is bound to them, comes one after the other, so
 * each sees how many there are and who leads. "No key": what refers to the position of its leaders need not wait.
 *
 * @returns the position of its leaders; undefined: there is no such group, or it is gone
 */
export async function takeGroupIfThere(tx: Transaction, groupId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ positionId: string }>(sql`
    select position_id as "positionId" from positions where group_id = ${groupId} and kind = 'leader' for no key update`);
  return row?.positionId;
}

/** As {@link takeGroupIfThere}. @throws GROUP_NOT_FOUND */
export async function takeGroup(tx: Transaction, groupId: string): Promise<string> {
  const leading = await takeGroupIfThere(tx, groupId);
  if (leading === undefined) throw groupNotFound();
  return leading;
}

/** Takes groups, as far as they have positions, until the transaction ends: what has begun in them before is there, and nothing more begins. */
export async function takeGroups(tx: Transaction, groupIds: readonly string[]): Promise<void> {
  await tx.query(sql`
    select from positions where group_id = any(${[...groupIds]}::text[]) and kind = 'leader' order by position_id for update`);
}

/** Who finds a position has it until the transaction ends. */
export async function findPosition(tx: Transaction, positionId: string): Promise<Position | undefined> {
  const [row] = await tx.query<Position>(sql`
    select ${fieldsOf(FIELDS)} from positions where position_id = ${positionId} for update`);
  return row;
}

/** All positions of groups, also those that are being created, in the order of their IDs; for who has taken the groups. */
export const positionsOf = (tx: Transaction, groupIds: readonly string[]): Promise<Position[]> =>
  tx.query<Position>(sql`
    select ${fieldsOf(FIELDS)} from positions where group_id = any(${[...groupIds]}::text[]) order by position_id`);

/** How many positions a group has, with those that are being created. */
export async function countPositions(tx: Transaction, groupId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(sql`select count(*) as count from positions where group_id = ${groupId}`);
  return Number(row?.count ?? 0);
}

/** @returns false when there is one of its ID, or of its kind, already */
export async function insertPosition(tx: Transaction, position: Position): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into positions (${join(FIELDS.map(columnOf))}) values (${join(FIELDS.map((field) => bound(position, field)))})
    on conflict do nothing returning 1`);
  return rows.length > 0;
}

export async function savePosition(tx: Transaction, position: Position): Promise<void> {
  const changing = (['name', 'permissions', 'version', 'lockHolder', 'pending', 'updatedAt'] as const).map(
    (field) => sql`${columnOf(field)} = ${bound(position, field)}`,
  );
  await tx.query(sql`update positions set ${join(changing)} where position_id = ${position.positionId}`);
}

/** Removes positions, to which nobody is bound, with their names. */
export async function removePositions(tx: Transaction, positionIds: readonly string[]): Promise<void> {
  await tx.query(sql`delete from names where owner_id = any(${[...positionIds]}::text[])`);
  await tx.query(sql`delete from positions where position_id = any(${[...positionIds]}::text[])`);
}

/** Those that others see: a page, or those of some IDs, in the order of their IDs. */
export function readPositions(db: Transaction, which: Which): Promise<Position[]> {
  const some =
    'ids' in which
      ? sql`position_id = any(${[...which.ids]}::text[]) order by position_id`
      : sql`position_id > ${which.after} order by position_id limit ${which.limit}`;
  const seen = which.begun ? sql`version >= 0` : sql`version > 0`;
  return db.query<Position>(sql`select ${fieldsOf(FIELDS)} from positions where ${seen} and ${some}`);
}

/** Raises the versions of those that are not newer than what readers have. @returns the IDs of all that there are */
export async function raisePositions(
  tx: Transaction,
  seen: readonly AggregateVersion[],
): Promise<{ raised: string[]; there: Set<string> }> {
  const ids = seen.map(({ id }) => id);
  const raised = await tx.query<{ id: string }>(sql`
    update positions set version = seen_version + 1
    from unnest(${ids}::text[], ${seen.map(({ version }) => version)}::bigint[]) as seen (seen_id, seen_version)
    where position_id = seen_id and version between 1 and seen_version returning position_id as id`);
  const there = await tx.query<{ id: string }>(sql`
    select position_id as id from positions where version > 0 and position_id = any(${ids}::text[])`);
  return { raised: raised.map(({ id }) => id), there: new Set(there.map(({ id }) => id)) };
}

/** Keeps a name in its group for a position, beside the one that it has. @throws NAME_TAKEN */
export async function takeName(tx: Transaction, { groupId, positionId }: Position, name: string): Promise<void> {
  const [row] = await tx.query<{ ownerId: string }>(sql`
    insert into names (group_id, key, owner_id) values (${groupId}, ${nameKey(name)}, ${positionId})
    on conflict (group_id, key) do update set owner_id = names.owner_id returning owner_id as "ownerId"`);
  if (row?.ownerId !== positionId) throw nameTaken();
}

/** Gives up all names of a position, except that one. */
export async function keepName(tx: Transaction, positionId: string, name: string): Promise<void> {
  await tx.query(sql`delete from names where owner_id = ${positionId} and key <> ${nameKey(name)}`);
}
