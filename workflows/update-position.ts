import type { Permission } from '#proto/musubi/position/v1/position.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position, websocket } = services;

export interface UpdatePositionInput {
  groupId: string;
  positionId: string;
  /** Absent fields stay as they are. */
  changes: { name?: string; permissions?: Permission[] };
  /** Who changes it. */
  byMemberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Whoever is bound to it. */
const ofAll = () => ({});

/** Gives a position another name, or other permissions, which hold for all who are bound to it at once. */
export const updatePosition = saga(
  'position.update',
  [
    [
      group.holdGroup,
      position.beginUpdatePosition,
      pivot(auth.putPosition),
      finish(websocket.narrowSockets, ofAll),
      finish(position.commitPosition, (positionId) => ({ positionId })),
      finish(group.releaseGroup, ofAll),
    ],
  ],
  async ({ step }, { groupId, positionId, changes, byMemberId, expectedVersion }: UpdatePositionInput) => {
    const { name, permissions } = changes;
    await step(group.holdGroup, { groupId });
    const { position: grant, tenure } = await step(position.beginUpdatePosition, {
      ...{ groupId, positionId, name, expectedVersion, byMemberId },
      permissions: permissions && { permissions },
    });
    await step(auth.putPosition, { groupId, position: grant, tenure });
    await step(websocket.narrowSockets, ofAll());
    await step(position.commitPosition, { positionId });
    await step(group.releaseGroup, {});
    return { id: positionId };
  },
);
