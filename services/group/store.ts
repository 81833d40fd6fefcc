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
import type { Group } from './domain.ts';
import { nameTaken } from './refusals.ts';

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_group` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_group', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

const FIELDS = [
  'groupId',
  'parentId',
  'name',
  'description',
  'visibility',
  'tags',
  'tagIds',
  'archivedAt',
  'version',
  'lockHolder',
  'pending',
  'createdAt',
  'updatedAt',
] as const satisfies readonly (keyof Group)[];
const CHANGING = FIELDS.filter((field) => field !== 'groupId' && field !== 'createdAt');

/** A group, which nobody else changes until the transaction ends. */
export async function findGroup(tx: Transaction, groupId: string): Promise<Group | undefined> {
  const [row] = await tx.query<Group>(sql`select ${fieldsOf(FIELDS)} from groups where group_id = ${groupId} for update`);
  return row;
}

/**
 * A group that nobody begins to change, nor ends changing, until the transaction ends. "Key share": it is in the way of who takes the row
 * for that, and of nobody else.
 */
export async function keepGroup(tx: Transaction, groupId: string): Promise<Group | undefined> {
  const [row] = await tx.query<Group>(sql`select ${fieldsOf(FIELDS)} from groups where group_id = ${groupId} for key share`);
  return row;
}

/** A list is not JSON by itself: it would be an array of PostgreSQL's. */
const columnValue = (group: Group, field: keyof Group): Query =>
  field === 'tags' ? sql`${JSON.stringify(group.tags)}::jsonb` : sql`${group[field]}`;

/** The one group that a job holds by itself. */
export async function groupHeldBy(tx: Transaction, jobId: string): Promise<string | undefined> {
  const [row] = await tx.query<Pick<Group, 'groupId'>>(
    sql`select group_id as "groupId" from groups where lock_holder = ${jobId}`,
  );
  return row?.groupId;
}

/** @returns false when there is one of that ID */
export async function insertGroup(tx: Transaction, group: Group): Promise<boolean> {
  const rows = await tx.query(sql`
    insert into groups (${join(FIELDS.map(columnOf))}) values (${join(FIELDS.map((field) => columnValue(group, field)))})
    on conflict do nothing returning 1`);
  return rows.length > 0;
}

export async function saveGroup(tx: Transaction, group: Group): Promise<void> {
  await tx.query(sql`
    update groups set (${join(CHANGING.map(columnOf))}) = row(${join(CHANGING.map((field) => columnValue(group, field)))})
    where group_id = ${group.groupId}`);
}

export async function removeGroup(tx: Transaction, groupId: string): Promise<void> {
  await tx.query(sql`delete from groups where group_id = ${groupId}`);
}

/** Those that others see: a page, or those of some IDs, in the order of their IDs. */
export function readGroups(db: Transaction, which: Which): Promise<Group[]> {
  const some: Query =
    'ids' in which
      ? sql`group_id = any(${[...which.ids]}::text[]) order by group_id`
      : sql`group_id > ${which.after} order by group_id limit ${which.limit}`;
  return db.query<Group>(sql`select ${fieldsOf(FIELDS)} from groups where version > ${which.begun ? -1 : 0} and ${some}`);
}

/** Raises the versions of those that are not newer than what readers have. @returns the IDs of all that there are */
export async function raiseGroups(
  tx: Transaction,
  seen: readonly AggregateVersion[],
): Promise<{ raised: string[]; there: Set<string> }> {
  const ids = seen.map(({ id }) => id);
  const raised = await tx.query<{ id: string }>(sql`
    update groups set version = seen_version + 1
    from unnest(${ids}::text[], ${seen.map(({ version }) => version)}::bigint[]) as seen (seen_id, seen_version)
    where group_id = seen_id and version between 1 and seen_version returning group_id as id`);
  const there = await tx.query<{ id: string }>(
    sql`select group_id as id from groups where version > 0 and group_id = any(${ids}::text[])`,
  );
  return { raised: raised.map(({ id }) => id), there: new Set(there.map(({ id }) => id)) };
}

/** A name's place in the table of names. */
const keyOf = (name: string): Query => sql`sha256(convert_to(${nameKey(name)}, 'UTF8'))`;

/** Keeps a name within a group for a group, beside the one that it has. @throws NAME_TAKEN */
export async function takeName(
  tx: Transaction,
  parentId: string,
  { groupId }: Pick<Group, 'groupId'>,
  name: string,
): Promise<void> {
  const [row] = await tx.query<{ ownerId: string }>(sql`
    insert into names (parent_id, key, owner_id) values (${parentId}, ${keyOf(name)}, ${groupId})
    on conflict (parent_id, key) do update set owner_id = names.owner_id returning owner_id as "ownerId"`);
  if (row?.ownerId !== groupId) throw nameTaken();
}

/** Gives up all names of a group, except the one that it has. */
export async function keepName(tx: Transaction, { groupId, parentId, name }: Group): Promise<void> {
  await tx.query(sql`
    delete from names where owner_id = ${groupId} and (parent_id, key) is distinct from (${parentId}::text, ${keyOf(name)})`);
}

/** Gives up all names of groups. */
export async function dropNames(tx: Transaction, groupIds: readonly string[]): Promise<void> {
  await tx.query(sql`delete from names where owner_id = any(${[...groupIds]}::text[])`);
}
