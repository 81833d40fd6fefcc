import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface RestoreGroupInput {
  groupId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Takes a group out of the archive. */
export const restoreGroup = saga(
  'group.restore',
  [[group.beginRestoreGroup, pivot(auth.confirmPermit), finish(group.commitGroup, (groupId) => ({ groupId }))]],
  async ({ step }, { groupId, expectedVersion }: RestoreGroupInput) => {
    await step(group.beginRestoreGroup, { groupId, expectedVersion });
    await step(auth.confirmPermit, {});
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
