import { ofAll, ofGroup } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position, websocket } = services;

export interface MoveGroupInput {
  groupId: string;
  /** The group that it is to be in. */
  parentId: string;
  /** Who moves it. */
  byMemberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Moves a group into another one, with all that is below it. */
export const moveGroup = saga(
  'group.move',
  [
    [
      group.closeGroup,
      group.beginMoveGroup,
      pivot(auth.moveGroup),
      finish(websocket.narrowSockets, ofAll),
      finish(group.commitGroup, (groupId) => ({ groupId })),
    ],
    [
      group.closeGroup,
      group.beginMoveGroup,
      position.listEnding,
      pivot(auth.moveGroup),
      finish(websocket.narrowSockets, ofAll),
      finish(group.commitGroup, (groupId) => ({ groupId })),
    ],
  ],
  async ({ step, since }, { groupId, parentId, byMemberId, expectedVersion }: MoveGroupInput) => {
    // Nothing new begins below it from here on, so what others still send does not hold this up.
    await step(group.closeGroup, { groupId });
    const { leftParentId } = await step(group.beginMoveGroup, { groupId, parentId, expectedVersion });
    // Whoever moves it: runs of before do not know.
    const { positionIds: endingIds } = since(2) ? await step(position.listEnding, { memberId: byMemberId }) : { positionIds: [] };
    await step(auth.moveGroup, { groupId, parentId, endingIds });
    // What is allowed in it and below it, to whomever, goes by what is above it.
    await step(websocket.narrowSockets, ofGroup({ groupId, leftParentId }));
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
