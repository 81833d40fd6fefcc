import { type Database, sql } from '#platform/postgres/database.ts';
import type { ListDueTermsRequest, ListDueTermsResponse } from '#proto/musubi/term/v1/term.ts';
import { invalidPage } from '../refusals.ts';

const MOST_AT_ONCE = 100;

/** The terms that have ended, by the store's clock, or end within so long: a page. @throws INVALID_ARGUMENT */
export async function listDueTerms(
  db: Database,
  { withinMs, after, pageSize }: ListDueTermsRequest,
): Promise<ListDueTermsResponse> {
  if (pageSize < 1 || pageSize > MOST_AT_ONCE) throw invalidPage(MOST_AT_ONCE);
  const { groupId = '', memberId = '', positionId = '' } = after ?? {};
  const rows = await db.query<{ groupId: string; memberId: string; positionId: string; until: Date }>(sql`
    select group_id as "groupId", member_id as "memberId", position_id as "positionId", until from bindings
    where until < now() + make_interval(secs => ${withinMs / 1_000})
      and (group_id, member_id, position_id) > (${groupId}, ${memberId}, ${positionId})
    order by group_id, member_id, position_id limit ${pageSize}`);
  return { terms: rows.map(({ until, ...binding }) => ({ ...binding, until: until.toISOString() })) };
}
