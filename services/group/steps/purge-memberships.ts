import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { PurgeMembershipsRequest, PurgeMembershipsResponse } from '#proto/musubi/group/v1/group.ts';
import { membershipEvent } from '../events.ts';
import { purgeMemberships as purge } from '../memberships/memberships.ts';

/** More at once would be a transaction that others feel. */
const MOST_AT_ONCE = 1_000;

/** Removes some of the memberships of groups that the job deletes. Auth goes by the groups' end already. */
export const purgeMemberships: Step<PurgeMembershipsRequest, PurgeMembershipsResponse> = {
  async do(tx, { operationId, limit }) {
    const { count, ended } = await purge(tx, jobOf(operationId), Math.min(limit, MOST_AT_ONCE));
    return { result: { memberships: count }, events: ended.map(membershipEvent) };
  },
  undo: 'impossible',
};
