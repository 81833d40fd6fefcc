import { type Database, sql } from '#platform/postgres/database.ts';
import { NO_ATTRIBUTES } from '#platform/validation/attributes.ts';
import type { GetMemberSchemaResponse } from '#proto/musubi/query/v1/query.ts';

/** What members' attributes must be. Before anybody has set it: none. */
export async function getMemberSchema(db: Database): Promise<GetMemberSchemaResponse> {
  const [set] = await db.query<GetMemberSchemaResponse>(
    sql`select schema, version, updated_at as "updatedAt" from member_schemas where id = 'member'`,
  );
  return set ?? { schema: NO_ATTRIBUTES, version: 1, updatedAt: undefined };
}
