import type { Visibility } from '#proto/musubi/group/v1/group.ts';
import { isFindable } from './findable.ts';
import { ofAll, ofGroup } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, websocket } = services;

export interface UpdateGroupInput {
  groupId: string;
  /** Absent fields stay as they are. */
  changes: { name?: string; description?: string; visibility?: Visibility };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Gives a group another name, description or visibility. */
export const updateGroup = saga(
  'group.update',
  [
    [
      group.beginUpdateGroup,
      pivot(auth.changeGroup),
      // Without another visibility.
      pivot(auth.confirmPermit),
      finish(websocket.narrowSockets, ofAll),
      finish(group.commitGroup, (groupId) => ({ groupId })),
    ],
  ],
  async ({ step }, { groupId, changes: { name, description, visibility }, expectedVersion }: UpdateGroupInput) => {
    const asked = { groupId, name, description, visibility, expectedVersion };
    const { findableChanges } = await step(group.beginUpdateGroup, asked);
    if (visibility === undefined) await step(auth.confirmPermit, {});
    else {
      await step(auth.changeGroup, { groupId, findable: isFindable(visibility) });
      // Whoever has found it, and follows it: not for a change that changes nothing for them.
      if (findableChanges) await step(websocket.narrowSockets, ofGroup({ groupId }));
    }
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
