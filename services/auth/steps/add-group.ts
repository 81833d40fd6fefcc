import { DEEPEST } from '#platform/validation/group-fields.ts';
import type { AddGroupRequest, AddGroupResponse } from '#proto/musubi/auth/v1/auth.ts';
import { positionOf, requireParent } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';
import { groupTooDeep, memberNotFound } from '../refusals.ts';

interface Kept {
  groupId: string;
  leaderId: string | null;
  positionIds: string[];
}

/**
 * Takes a group in, with the positions that every group begins with. What these permit in it is not the author's to choose, so it need not
 * hold that itself.
 *
 * @throws GROUP_NOT_FOUND for the one that it is to be in, GROUP_TOO_DEEP, MEMBER_NOT_FOUND
 */
export const addGroup: PermittedStep<AddGroupRequest, AddGroupResponse, Kept> = {
  takesAway: false,
  async do({ store, session }, { groupId, parentId, findable, positions: given, leaderId = null }) {
    const { path } = await requireParent(store, session, parentId);
    if (path.length >= DEEPEST) throw groupTooDeep();
    const positions = given.map(positionOf);
    await store.groups.insertOne({ _id: groupId, path: [...path, groupId], findable, positions, version: 1 }, { session });
    const positionIds = positions.flatMap(({ id, kind }) => (kind === 'leader' ? [id] : []));
    if (leaderId !== null) {
      const led = { $addToSet: { groupIds: groupId, positionIds: { $each: positionIds } }, $inc: { standings: 1 } };
      if ((await store.members.updateOne({ _id: leaderId }, led, { session })).matchedCount === 0) throw memberNotFound();
    }
    return { result: {}, kept: { groupId, leaderId, positionIds } };
  },
  async undo({ store, session }, { groupId, leaderId, positionIds }) {
    await store.groups.deleteOne({ _id: groupId }, { session });
    if (leaderId === null) return;
    await store.members.updateOne(
      { _id: leaderId },
      { $pull: { groupIds: groupId, positionIds: { $in: positionIds } }, $inc: { standings: 1 } },
      { session },
    );
  },
};
