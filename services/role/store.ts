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
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { nameKey, type Policy, type Role } from './domain.ts';
import { nameTaken } from './refusals.ts';

/** Opens the service's database, made and migrated when it is not. @param database default `musubi_role` */
export function openStore(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  return openDatabase({ database: 'musubi_role', ...o, migrations: new URL('./migrations/', import.meta.url) });
}

const ROLE_FIELDS = [
  'roleId',
  'name',
  'description',
  'builtIn',
  'version',
  'lockHolder',
  'pending',
  'createdAt',
  'updatedAt',
] as const;
const POLICY_FIELDS = [
  ...(['policyId', 'name', 'cedar', 'simple', 'builtIn', 'version', 'lockHolder', 'pending', 'createdAt', 'updatedAt'] as const),
];

/** A table of things that jobs take and change. */
interface Table<Thing> {
  table: Query;
  key: keyof Thing & string;
  fields: readonly (keyof Thing & string)[];
  /** What is read of a thing. */
  shown: Query;
}

const ROLES: Table<Role> = {
  table: sql`roles`,
  key: 'roleId',
  fields: ROLE_FIELDS,
  shown: sql`${fieldsOf(ROLE_FIELDS)},
    array(select policy_id from role_policies p where p.role_id = roles.role_id order by policy_id) as "policyIds"`,
};
const POLICIES: Table<Policy> = { table: sql`policies`, key: 'policyId', fields: POLICY_FIELDS, shown: fieldsOf(POLICY_FIELDS) };

const find =
  <Thing>({ table, key, shown }: Table<Thing>) =>
  async (tx: Transaction, id: string): Promise<Thing | undefined> => {
    const [row] = await tx.query<Thing>(sql`select ${shown} from ${table} where ${columnOf(key)} = ${id} for update`);
    return row;
  };

const insert =
  <Thing>({ table, fields }: Table<Thing>) =>
  async (tx: Transaction, thing: Thing): Promise<boolean> => {
    const rows = await tx.query(sql`
      insert into ${table} (${join(fields.map(columnOf))}) values (${join(fields.map((field) => sql`${thing[field]}`))})
      on conflict do nothing returning 1`);
    return rows.length > 0;
  };

const save =
  <Thing>({ table, key, fields }: Table<Thing>) =>
  async (tx: Transaction, thing: Thing): Promise<void> => {
    const changing = fields.filter((field) => field !== key && field !== 'createdAt');
    await tx.query(sql`
      update ${table} set (${join(changing.map(columnOf))}) = row(${join(changing.map((field) => sql`${thing[field]}`))})
      where ${columnOf(key)} = ${thing[key]}`);
  };

const remove =
  <Thing>({ table, key }: Table<Thing>) =>
  async (tx: Transaction, id: string): Promise<void> => {
    await tx.query(sql`delete from ${table} where ${columnOf(key)} = ${id}`);
  };

/** Those that others see: a page, or those of some IDs, in the order of their IDs. */
const read =
  <Thing>({ table, key, shown }: Table<Thing>) =>
  (db: Transaction, which: Which): Promise<Thing[]> => {
    const id = columnOf(key);
    const some =
      'ids' in which
        ? sql`${id} = any(${[...which.ids]}::text[]) order by ${id}`
        : sql`${id} > ${which.after} order by ${id} limit ${which.limit}`;
    const seen = which.begun ? sql`version >= 0` : sql`version > 0`;
    return db.query<Thing>(sql`select ${shown} from ${table} where ${seen} and ${some}`);
  };

/** Raises the versions of those that are not newer than what readers have. @returns the IDs of all that there are */
const raise =
  <Thing>({ table, key }: Table<Thing>) =>
  async (tx: Transaction, seen: readonly AggregateVersion[]): Promise<{ raised: string[]; there: Set<string> }> => {
    const ids = seen.map(({ id }) => id);
    const id = columnOf(key);
    const raised = await tx.query<{ id: string }>(sql`
      update ${table} set version = seen_version + 1
      from unnest(${ids}::text[], ${seen.map(({ version }) => version)}::bigint[]) as seen (seen_id, seen_version)
      where ${id} = seen_id and version between 1 and seen_version returning ${id} as id`);
    const there = await tx.query<{ id: string }>(
      sql`select ${id} as id from ${table} where version > 0 and ${id} = any(${ids}::text[])`,
    );
    return { raised: raised.map(({ id }) => id), there: new Set(there.map(({ id }) => id)) };
  };

/** What is done to rows; who finds a thing has it until the transaction ends. */
export const roles = {
  find: find(ROLES),
  insert: insert(ROLES),
  save: save(ROLES),
  remove: remove(ROLES),
  read: read(ROLES),
  raise: raise(ROLES),
};
export const policies = {
  find: find(POLICIES),
  insert: insert(POLICIES),
  save: save(POLICIES),
  remove: remove(POLICIES),
  read: read(POLICIES),
  raise: raise(POLICIES),
};

export const attach = (tx: Transaction, roleId: string, policyId: string): Promise<unknown> =>
  tx.query(sql`insert into role_policies (role_id, policy_id) values (${roleId}, ${policyId}) on conflict do nothing`);

export const detach = (tx: Transaction, roleId: string, policyId: string): Promise<unknown> =>
  tx.query(sql`delete from role_policies where role_id = ${roleId} and policy_id = ${policyId}`);

/** The roles that carry a policy, or are about to, by their IDs. */
export async function carriersOf(tx: Transaction, policyId: string): Promise<string[]> {
  const rows = await tx.query<{ roleId: string }>(sql`
    select role_id as "roleId" from role_policies where policy_id = ${policyId}
    union select role_id from roles where pending->>'change' = 'attach' and pending->>'policyId' = ${policyId} order by 1`);
  return rows.map(({ roleId }) => roleId);
}

/** Keeps a name for a role or policy, beside the one that it has. @throws NAME_TAKEN */
export async function takeName(tx: Transaction, kind: 'role' | 'policy', ownerId: string, name: string): Promise<void> {
  const [row] = await tx.query<{ ownerId: string }>(sql`
    insert into names (kind, key, owner_id) values (${kind}, ${nameKey(name)}, ${ownerId})
    on conflict (kind, key) do update set owner_id = names.owner_id returning owner_id as "ownerId"`);
  if (row?.ownerId !== ownerId) throw nameTaken(kind);
}

/** Gives up all names of a role or policy, except that one. */
export async function keepName(tx: Transaction, kind: 'role' | 'policy', ownerId: string, name?: string): Promise<void> {
  await tx.query(sql`
    delete from names where kind = ${kind} and owner_id = ${ownerId} and key is distinct from ${name === undefined ? null : nameKey(name)}`);
}
