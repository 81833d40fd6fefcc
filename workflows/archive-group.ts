import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface ArchiveGroupInput {
  groupId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Archives a group: nothing is changed in it any more, and in what is below it. */
export const archiveGroup = saga(
  'group.archive',
  [[group.closeGroup, group.beginArchiveGroup, pivot(auth.allowArchive), finish(group.commitGroup, (groupId) => ({ groupId }))]],
  async ({ step }, { groupId, expectedVersion }: ArchiveGroupInput) => {
    // Nothing new begins below it from here on, so what others still send does not hold this up.
    await step(group.closeGroup, { groupId });
    await step(group.beginArchiveGroup, { groupId, expectedVersion });
    await step(auth.allowArchive, { groupId });
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
