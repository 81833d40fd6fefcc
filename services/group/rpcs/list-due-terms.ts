import { invalidFields } from '#platform/errors.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import type { ListDueTermsRequest, ListDueTermsResponse } from '#proto/musubi/term/v1/term.ts';

const MOST_AT_ONCE = 100;

/** The invitations whose time is over, by the store's clock, or is within so long: a page. @throws INVALID_ARGUMENT */
export async function listDueTerms(
  db: Database,
  { withinMs, after, pageSize }: ListDueTermsRequest,
): Promise<ListDueTermsResponse> {
  if (pageSize < 1 || pageSize > MOST_AT_ONCE)
    throw invalidFields([{ field: 'pageSize', message: `must be 1 to ${MOST_AT_ONCE}` }]);
  const { groupId = '', memberId = '' } = after ?? {};
  const rows = await db.query<{ groupId: string; memberId: string; until: Date }>(sql`
    select group_id as "groupId", member_id as "memberId", until from memberships
    where until < now() + make_interval(secs => ${withinMs / 1_000}) and (group_id, member_id) > (${groupId}, ${memberId})
    order by group_id, member_id limit ${pageSize}`);
  return { terms: rows.map(({ until, ...one }) => ({ ...one, positionId: '', until: until.toISOString() })) };
}
