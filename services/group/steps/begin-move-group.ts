import type { BeginMoveGroupRequest, BeginMoveGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { groupCycle, groupNotFound } from '../refusals.ts';
import { takeName } from '../store.ts';
import { heightOf, pathOf, requireRoom } from '../tree/tree.ts';
import { lockGroup } from './lock.ts';

/**
 * Begins to move a group, with all that is below it, into another one. Two moves, of which each is right by itself, make no circle and nothing
 * too deep: no group comes into one that another job moves, and none is moved that another one is about to come into.
 * @throws GROUP_NOT_FOUND for the one that it is to be in, GROUP_CYCLE, GROUP_TOO_DEEP, TOO_MANY_SUBGROUPS, NAME_TAKEN, and as
 *   {@link lockGroup}; GROUP_BUSY (retryable) also while another job is at one that is below it, or at one that it is to be in
 */
export const beginMoveGroup = lockGroup<BeginMoveGroupRequest>({ tree: 'whole' })<BeginMoveGroupResponse>(
  async (tx, { group, request: { parentId }, jobId }) => {
    const { groupId } = group;
    const to = await pathOf(tx, parentId, jobId);
    if (to.length === 0) throw groupNotFound('parentId');
    if (to.some((above) => above.groupId === groupId)) throw groupCycle();
    await requireRoom(tx, to, groupId, await heightOf(tx, groupId));
    await takeName(tx, parentId, group, group.name);
    return { pending: { change: 'move', parentId }, result: { leftParentId: group.parentId ?? '' } };
  },
);
