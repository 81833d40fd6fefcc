import type { Step } from '#platform/operations/postgres.ts';
import type { UnassignHoldersRequest, UnassignHoldersResponse } from '#proto/musubi/role/v1/role.ts';
import { memberRolesEvent } from '../events.ts';
import { takeFromHolders } from '../member-roles.ts';

/** More at once would be a transaction that others feel. */
const MOST_AT_ONCE = 1_000;

/** Takes a role that is being deleted from some of those who hold it. Auth goes by the role's end already. */
export const unassignHolders: Step<UnassignHoldersRequest, UnassignHoldersResponse> = {
  async do(tx, { roleId, limit }) {
    const after = await takeFromHolders(tx, roleId, Math.min(limit, MOST_AT_ONCE));
    return { result: { members: after.length }, events: after.map((each) => memberRolesEvent('member-roles.unassigned', each)) };
  },
  undo: 'impossible',
};
