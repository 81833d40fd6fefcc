import { invalidFields } from '#platform/errors.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import type { DueInvitation, ListDueInvitationsRequest, ListDueInvitationsResponse } from '#proto/musubi/group/v1/group.ts';
import { ofMembershipId } from '../events.ts';

const MOST = 1_000;

/**
 * The invitations whose time is over, or is within so long: who keeps their timers may have lost some.
 *
 * @throws INVALID_ARGUMENT
 */
export async function listDueInvitations(
  db: Database,
  { withinMs, afterId, limit }: ListDueInvitationsRequest,
): Promise<ListDueInvitationsResponse> {
  if (limit < 1 || limit > MOST) throw invalidFields([{ field: 'limit', message: `must be 1 to ${MOST}` }]);
  const { groupId, memberId } = ofMembershipId(afterId);
  const invitations = await db.query<DueInvitation>(sql`
    select group_id as "groupId", member_id as "memberId", until from memberships
    where until < now() + ${withinMs} * interval '1 ms' and (group_id, member_id) > (${groupId}, ${memberId})
    order by group_id, member_id limit ${limit}`);
  return { invitations };
}
