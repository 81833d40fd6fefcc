import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position, websocket } = services;

export interface DeletePositionInput {
  groupId: string;
  positionId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Whoever was bound to it. */
const ofAll = () => ({});

/** Deletes a position of a group, to which nobody is bound any more. */
export const deletePosition = saga(
  'position.delete',
  [
    [
      group.holdGroup,
      position.beginDeletePosition,
      pivot(auth.removePosition),
      finish(websocket.narrowSockets, ofAll),
      finish(position.commitPosition, (positionId) => ({ positionId })),
      finish(group.releaseGroup, ofAll),
    ],
  ],
  async ({ step }, { groupId, positionId, expectedVersion }: DeletePositionInput) => {
    await step(group.holdGroup, { groupId });
    await step(position.beginDeletePosition, { groupId, positionId, expectedVersion });
    await step(auth.removePosition, { groupId, positionId });
    await step(websocket.narrowSockets, ofAll());
    await step(position.commitPosition, { positionId });
    await step(group.releaseGroup, {});
    return { id: positionId };
  },
);
