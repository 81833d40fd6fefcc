import type { Step } from '#platform/operations/postgres.ts';
import type { CommitGroupRequest, CommitGroupResponse } from '#proto/musubi/group/v1/group.ts';
import type { Group, GroupChange } from '../domain.ts';
import { EVENTS, groupEvent, writtenGroup } from '../events.ts';
import { notBegun } from '../refusals.ts';
import { keepName, saveGroup } from '../store.ts';
import { begunGroup } from './lock.ts';

/**
 * Does what the job has begun with the group. Auth goes by it already. (What is deleted is purged.)
 * @throws GROUP_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitGroup: Step<CommitGroupRequest, CommitGroupResponse> = {
  async do(tx, { operationId, groupId }) {
    const { group, pending } = await begunGroup(tx, groupId, operationId);
    if (pending.change === 'delete') throw notBegun();
    const after = { ...group, ...changesOf(pending, group.updatedAt) };
    await Promise.all([keepName(tx, after), saveGroup(tx, after)]);
    const left = pending.change === 'move' ? (group.parentId ?? undefined) : undefined;
    return {
      result: { written: writtenGroup(groupId, after.version) },
      events: [groupEvent(EVENTS[pending.change], after, left)],
    };
  },
  undo: 'impossible',
};

function changesOf(pending: GroupChange, now: Date): Partial<Group> {
  switch (pending.change) {
    case 'update': {
      const { name, description, visibility } = pending;
      return { name, description, visibility };
    }
    case 'move':
      return { parentId: pending.parentId };
    case 'archive':
      return { archivedAt: now };
    case 'restore':
      return { archivedAt: null };
    default:
      return {};
  }
}
