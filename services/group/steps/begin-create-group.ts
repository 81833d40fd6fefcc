import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { BeginCreateGroupRequest, BeginCreateGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { tidyGroup } from '../domain.ts';
import { fromMessage } from '../events.ts';
import { groupNotFound, nameTaken } from '../refusals.ts';
import { insertGroup, takeName } from '../store.ts';
import { newTags } from '../tags/tags.ts';
import { holdParent, holdTree, pathOf, requireRoom } from '../tree/tree.ts';
import { type Kept, letGroupGo } from './lock.ts';

/**
 * Makes a group that nobody sees yet, in another one, and keeps its name there.
 * @throws INVALID_GROUP, GROUP_NOT_FOUND for the one that it is to be in, GROUP_ARCHIVED, GROUP_TOO_DEEP, TOO_MANY_SUBGROUPS,
 *   NAME_TAKEN; GROUP_BUSY (retryable)
 */
export const beginCreateGroup: Step<BeginCreateGroupRequest, BeginCreateGroupResponse, Kept> = {
  async do(tx, { operationId, groupId, parentId, ...given }) {
    requireId('groupId', groupId);
    const fields = tidyGroup({ ...given, visibility: fromMessage(given.visibility) });
    const jobId = jobOf(operationId);
    const [, , path] = await Promise.all([holdTree(tx, 'part'), holdParent(tx, parentId), pathOf(tx, parentId)]);
    if (path.length === 0) throw groupNotFound('parentId');
    await requireRoom(tx, path, groupId, 1);
    const { name = '', description = '', visibility = 'open', tags = [] } = fields;
    await takeName(tx, parentId, { groupId }, name);
    const now = new Date();
    const inserted = await insertGroup(tx, {
      ...{ groupId, parentId, name, description, visibility, archivedAt: null, version: 0, createdAt: now, updatedAt: now },
      ...{ tags: newTags({ groupId, version: 0 }, tags), tagIds: [] },
      lockHolder: jobId,
      pending: { change: 'create' },
    });
    if (!inserted) throw nameTaken();
    return { result: {}, kept: { groupId, jobId } };
  },
  undo: letGroupGo,
};
