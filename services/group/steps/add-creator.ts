import type { Step } from '#platform/operations/postgres.ts';
import type { AddCreatorRequest, AddCreatorResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { addMembership, endMembership, holdMember, requireFewGroups } from '../memberships/memberships.ts';
import { notBegun } from '../refusals.ts';
import { begunGroup } from './lock.ts';

/**
 * Has who creates a group be the first in it.
 * @throws TOO_MANY_GROUPS, MEMBER_DELETING, GROUP_NOT_FOUND, LOCK_NOT_HELD
 */
export const addCreator: Step<AddCreatorRequest, AddCreatorResponse, { groupId: string; memberId: string }> = {
  async do(tx, { operationId, groupId, memberId }) {
    requireMemberId(memberId);
    const { group, pending } = await begunGroup(tx, groupId, operationId);
    if (pending.change !== 'create') throw notBegun();
    await holdMember(tx, memberId);
    await requireFewGroups(tx, memberId);
    const after = await addMembership(tx, groupId, memberId, group.updatedAt);
    return {
      result: { written: writtenMembership(after) },
      kept: { groupId, memberId },
      events: [membershipEvent(after)],
    };
  },
  async undo(tx, { groupId, memberId }) {
    const after = await endMembership(tx, groupId, memberId);
    return { events: after ? [membershipEvent(after)] : [] };
  },
};
