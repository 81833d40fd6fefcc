import type { Permission } from '#proto/musubi/position/v1/position.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position } = services;

export interface CreatePositionInput {
  groupId: string;
  /** Minted by the gateway. */
  positionId: string;
  name: string;
  permissions: Permission[];
}

/** Makes a position of a group, to which nobody is bound yet. */
export const createPosition = saga(
  'position.create',
  [
    [
      group.holdGroup,
      position.beginCreatePosition,
      pivot(auth.putPosition),
      finish(position.commitPosition, (positionId) => ({ positionId })),
      finish(group.releaseGroup, () => ({})),
    ],
  ],
  async ({ step }, { groupId, positionId, name, permissions }: CreatePositionInput) => {
    await step(group.holdGroup, { groupId });
    const { position: grant } = await step(position.beginCreatePosition, { groupId, positionId, name, permissions });
    await step(auth.putPosition, { groupId, position: grant });
    await step(position.commitPosition, { positionId });
    await step(group.releaseGroup, {});
    return { id: positionId };
  },
);
