import type { RemovePositionRequest, RemovePositionResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Position } from '../groups/group.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/** Removes a position: it grants nothing any more, to nobody. One that is not there is removed. @throws GROUP_NOT_FOUND */
export const removePosition: PermittedStep<
  RemovePositionRequest,
  RemovePositionResponse,
  { groupId: string; before: Position | null }
> = {
  takesAway: true,
  async do({ store, session }, { groupId, positionId }) {
    const { positions } = await requireGroup(store, session, groupId);
    await store.groups.updateOne(
      { _id: groupId },
      { $pull: { positions: { id: positionId } }, $inc: { version: 1 } },
      { session },
    );
    return { result: {}, kept: { groupId, before: positions.find(({ id }) => id === positionId) ?? null } };
  },
  async undo({ store, session }, { groupId, before }) {
    if (before)
      await store.groups.updateOne({ _id: groupId }, { $push: { positions: before }, $inc: { version: 1 } }, { session });
  },
};
