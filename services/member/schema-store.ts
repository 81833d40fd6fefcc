import { type Database, fieldsOf, sql, type Transaction } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import { type Attributes, NO_ATTRIBUTES } from '#platform/validation/attributes.ts';

/** A schema of attributes, and who is changing it. */
export interface Schema {
  id: string;
  schema: Attributes;
  /** What the job that holds it puts in place in the end; null: nobody holds it. */
  pendingSchema: Attributes | null;
  lockHolder: string | null;
  /** 1 at first; grows by 1 with every change that has an event. */
  version: number;
  updatedAt: Date;
}

/** The one that members are held to. */
const OF_MEMBERS = 'member';

const FIELDS = fieldsOf(['id', 'schema', 'pendingSchema', 'lockHolder', 'version', 'updatedAt']);
/** What a schema is that nobody has set. */
const unset = (id: string): Schema => ({
  id,
  schema: NO_ATTRIBUTES,
  pendingSchema: null,
  lockHolder: null,
  version: 1,
  updatedAt: new Date(),
});

/** What members are held to now. */
export async function schemaOfMembers(tx: Transaction): Promise<Schema> {
  const [row] = await tx.query<Schema>(sql`select ${FIELDS} from member_schemas where id = ${OF_MEMBERS}`);
  return row ?? unset(OF_MEMBERS);
}

/** The schema, which no other transaction can change until this one ends; it is there from now on. */
export async function lockSchema(tx: Transaction, id: string): Promise<Schema> {
  const { schema, version, updatedAt } = unset(id);
  await tx.query(sql`
    insert into member_schemas (id, schema, version, updated_at) values (${id}, ${schema}, ${version}, ${updatedAt})
    on conflict (id) do nothing`);
  const [row] = await tx.query<Schema>(sql`select ${FIELDS} from member_schemas where id = ${id} for update`);
  return row ?? unset(id);
}

export async function saveSchema(tx: Transaction, s: Schema): Promise<void> {
  await tx.query(sql`
    update member_schemas set schema = ${s.schema}, pending_schema = ${s.pendingSchema}, lock_holder = ${s.lockHolder},
      version = ${s.version}, updated_at = ${s.updatedAt} where id = ${s.id}`);
}

/** A page of schemas, or those of some IDs that there are; in the order of their IDs. */
export function readSchemas(db: Database, which: Which): Promise<Schema[]> {
  return db.query<Schema>(
    'ids' in which
      ? sql`select ${FIELDS} from member_schemas where id = any(${[...which.ids]}::text[]) order by id`
      : sql`select ${FIELDS} from member_schemas where id > ${which.after} order by id limit ${which.limit}`,
  );
}
