import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitGroupRequest, CommitGroupResponse } from '#proto/musubi/group/v1/group.ts';
import type { Group, GroupChange } from '../domain.ts';
import { EVENTS, groupEvent, writtenGroup } from '../events.ts';
import { groupBusy, notBegun } from '../refusals.ts';
import { keepName, saveGroup } from '../store.ts';
import { isSame } from '../tags/tags.ts';
import { areComingThrough, reopenTree } from '../tree/tree.ts';
import { begunGroup, letGroupGo } from './lock.ts';

/**
 * Does what the job has begun with the group. Auth goes by it already. (What is deleted is purged.) Where its tags were to be changed, and
 * are so already, nothing is told. Where it was to have another visibility, those who were let through by the one that it had come first: who
 * comes later waits for this job.
 * @throws GROUP_NOT_FOUND, LOCK_NOT_HELD; GROUP_BUSY (retryable) while they are on their way
 */
export const commitGroup: Step<CommitGroupRequest, CommitGroupResponse> = {
  async do(tx, { operationId, groupId }) {
    const { group, pending } = await begunGroup(tx, groupId, operationId);
    if (pending.change === 'delete') throw notBegun();
    if (
      pending.change === 'update' &&
      pending.visibility !== group.visibility &&
      (await areComingThrough(tx, groupId, group.visibility))
    )
      throw groupBusy();
    if (hasSameTags(group, pending)) {
      await letGroupGo(tx, { groupId, jobId: jobOf(operationId) });
      return { result: { written: writtenGroup(groupId, group.version - 1) } };
    }
    const after = { ...group, ...changesOf(pending, group.updatedAt) };
    await Promise.all([keepName(tx, after), saveGroup(tx, after), reopenTree(tx, jobOf(operationId))]);
    const left = pending.change === 'move' ? (group.parentId ?? undefined) : undefined;
    return {
      result: { written: writtenGroup(groupId, after.version) },
      events: [groupEvent(EVENTS[pending.change], after, left)],
    };
  },
  undo: 'impossible',
};

/** Whether only its tags were to be changed, and they are what they were to be. */
const hasSameTags = ({ tags, tagIds }: Group, pending: GroupChange): boolean =>
  (pending.change === 'change-tags' && isSame(tags, pending.tags)) ||
  (pending.change === 'tag' && isSame(tagIds, pending.tagIds));

function changesOf(pending: GroupChange, now: Date): Partial<Group> {
  switch (pending.change) {
    case 'update': {
      const { name, description, visibility } = pending;
      return { name, description, visibility };
    }
    case 'move':
      // The group that it is in now has other tags.
      return { parentId: pending.parentId, tagIds: [] };
    case 'archive':
      return { archivedAt: now };
    case 'restore':
      return { archivedAt: null };
    case 'change-tags':
      return { tags: pending.tags };
    case 'tag':
      return { tagIds: pending.tagIds };
    default:
      return {};
  }
}
