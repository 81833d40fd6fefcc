import { purgeGroup } from './purge-group.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, websocket } = services;

export interface DeleteGroupInput {
  groupId: string;
  /** With all that is below it. */
  cascade: boolean;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Whoever has been in one of them. */
const ofAll = () => ({});

/** Deletes a group with all that is below it. In Auth they are gone at once; then all that is in them is removed. */
export const deleteGroup = saga(
  'group.delete',
  [
    [
      group.closeGroup,
      group.beginDeleteGroup,
      pivot(auth.removeGroups),
      finish(websocket.narrowSockets, ofAll),
      finish(purgeGroup, (groupId) => ({ groupId })),
    ],
  ],
  async ({ step, child }, { groupId, cascade, expectedVersion }: DeleteGroupInput) => {
    // Nothing new begins below it from here on, so what others still send does not hold this up.
    await step(group.closeGroup, { groupId });
    await step(group.beginDeleteGroup, { groupId, cascade, expectedVersion });
    await step(auth.removeGroups, { groupId });
    await step(websocket.narrowSockets, ofAll());
    await child(purgeGroup, { groupId });
    return { id: groupId };
  },
);
