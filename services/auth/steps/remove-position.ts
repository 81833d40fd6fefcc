import type { RemovePositionRequest, RemovePositionResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Position } from '../groups/group.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/** Removes a position: it grants nothing any more, to nobody. One that is not there is removed. @throws GROUP_NOT_FOUND */
export const removePosition: PermittedStep<
  RemovePositionRequest,
  RemovePositionResponse,
  { groupId: string; before: Position | null; at: number }
> = {
  takesAway: true,
  async do({ store, session }, { groupId, positionId }) {
    const { positions } = await requireGroup(store, session, groupId);
    await store.groups.updateOne(
      { _id: groupId },
      { $pull: { positions: { id: positionId } }, $inc: { version: 1 } },
      { session },
    );
    const at = positions.findIndex(({ id }) => id === positionId);
    return { result: {}, kept: { groupId, before: positions[at] ?? null, at } };
  },
  async undo({ store, session }, { groupId, before, at }) {
    if (before)
      await store.groups.updateOne(
        { _id: groupId },
        { $push: { positions: { $each: [before], $position: at } }, $inc: { version: 1 } },
        { session },
      );
  },
};
