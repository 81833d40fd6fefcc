import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitMemberRolesRequest, CommitMemberRolesResponse } from '#proto/musubi/role/v1/role.ts';
import { requireMemberId } from '../domain.ts';
import { memberRolesEvent, writtenRoles } from '../events.ts';
import { addRoles, nextVersion, pendingRoles, releaseMemberRoles, removeRoles, rolesOf } from '../member-roles.ts';
import { notBegun } from '../refusals.ts';

/** Does what the job has begun with the member's roles. Auth goes by it already. @throws LOCK_NOT_HELD */
export const commitMemberRoles: Step<CommitMemberRolesRequest, CommitMemberRolesResponse> = {
  async do(tx, { operationId, memberId }) {
    const jobId = jobOf(operationId);
    const pending = await pendingRoles(tx, requireMemberId(memberId), jobId);
    if (!pending) throw notBegun();
    const { add, remove } = pending;
    const [version, , , roleIds] = await Promise.all([
      nextVersion(tx, memberId),
      addRoles(tx, memberId, add),
      removeRoles(tx, memberId, remove),
      rolesOf(tx, memberId),
      releaseMemberRoles(tx, memberId, jobId),
    ]);
    const after = { memberId, version, roleIds };
    const event = memberRolesEvent(add.length > 0 ? 'member-roles.assigned' : 'member-roles.unassigned', after);
    return { result: { written: writtenRoles(after) }, events: [event] };
  },
  undo: 'impossible',
};
