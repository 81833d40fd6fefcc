import type { Permission } from '#proto/musubi/position/v1/position.ts';
import { ofAll, ofListed } from './narrowing.ts';
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

/** Gives a position another name, or other permissions, which hold for all who are bound to it at once. */
export const updatePosition = saga(
  'position.update',
  [
    [
      group.holdGroup,
      position.beginUpdatePosition,
      pivot(auth.putPosition),
      finish(position.listHolders, (positionId) => ({ positionId })),
      finish(group.listInside, () => ({ groupId: undefined })),
      finish(websocket.narrowSockets, ofAll),
      finish(position.commitPosition, (positionId) => ({ positionId })),
      finish(group.releaseGroup, () => ({})),
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
    // What it permits is another thing for those who hold it, wherever it reaches, and for nobody else.
    if (permissions) {
      const holders = await step(position.listHolders, { positionId });
      // To what all members of the group hold nobody is bound.
      const isOfAll = grant?.kind === 'POSITION_KIND_MEMBER';
      const inside = await step(group.listInside, { groupId: isOfAll ? groupId : undefined });
      await step(websocket.narrowSockets, ofListed(holders, inside));
    }
    await step(position.commitPosition, { positionId });
    await step(group.releaseGroup, {});
    return { id: positionId };
  },
);
