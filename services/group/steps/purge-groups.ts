import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { PurgeGroupsRequest, PurgeGroupsResponse } from '#proto/musubi/group/v1/group.ts';
import { groupDeleted, membershipEvent, writtenGroup } from '../events.ts';
import { dropMemberships } from '../memberships/memberships.ts';
import { dropNames } from '../store.ts';
import { removeGroups, someDoomed } from '../tree/tree.ts';

/** More at once would be a transaction that others feel. */
const MOST_AT_ONCE = 100;

/**
 * Removes some of the groups that the job deletes, the deepest first and the topmost last. Auth goes by their end already. Nobody is in
 * them any more, but who was brought back by an undo meanwhile.
 */
export const purgeGroups: Step<PurgeGroupsRequest, PurgeGroupsResponse> = {
  async do(tx, { operationId, limit }) {
    const gone = await someDoomed(tx, jobOf(operationId), Math.min(limit, MOST_AT_ONCE));
    const groupIds = gone.map(({ groupId }) => groupId);
    const left = await dropMemberships(tx, groupIds);
    await Promise.all([dropNames(tx, groupIds), removeGroups(tx, gone)]);
    return {
      result: { written: gone.map(({ groupId, version }) => writtenGroup(groupId, version + 1)), groupIds },
      events: [...left.map(membershipEvent), ...gone.map((one) => groupDeleted(one.groupId, one.version + 1, one))],
    };
  },
  undo: 'impossible',
};
