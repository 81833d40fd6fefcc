import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitMembershipRequest, CommitMembershipResponse } from '#proto/musubi/group/v1/group.ts';
import { tiesAfter } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { begunMembership, putTies } from '../memberships/memberships.ts';
import { notBegun } from '../refusals.ts';

/** Does what the job has begun with a membership. Auth goes by it already. @throws LOCK_NOT_HELD */
export const commitMembership: Step<CommitMembershipRequest, CommitMembershipResponse> = {
  async do(tx, { operationId }) {
    const begun = await begunMembership(tx, jobOf(operationId));
    if (!begun?.pending || 'tagIds' in begun.pending) throw notBegun();
    const { groupId, memberId, pending } = begun;
    const ties = tiesAfter(begun, pending, new Date());
    const after = await putTies(tx, groupId, memberId, ties);
    return { result: { written: writtenMembership(after) }, events: [membershipEvent(after)] };
  },
  undo: 'impossible',
};
