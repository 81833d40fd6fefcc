import type { Visibility } from '#proto/musubi/group/v1/group.ts';
import { isFindable } from './findable.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position } = services;

export interface CreateGroupInput {
  /** Minted by the gateway. */
  groupId: string;
  /** The group that it is in. */
  parentId: string;
  name: string;
  description: string;
  visibility: Visibility;
  tags: string[];
  /** Who is the first in it, and leads it; absent: nobody, as the system itself makes it. */
  creatorId?: string;
}

/** Makes a group with its default positions, with who creates it as its leader. */
export const createGroup = saga(
  'group.create',
  [
    [
      group.beginCreateGroup,
      group.addCreator,
      position.addDefaultPositions,
      pivot(auth.addGroup),
      finish(group.commitGroup, (groupId) => ({ groupId })),
    ],
  ],
  async ({ step }, { groupId, parentId, name, description, visibility, tags, creatorId }: CreateGroupInput) => {
    await step(group.beginCreateGroup, { groupId, parentId, name, description, visibility, tags });
    if (creatorId !== undefined) await step(group.addCreator, { groupId, memberId: creatorId });
    const { positions } = await step(position.addDefaultPositions, { groupId, leaderId: creatorId });
    await step(auth.addGroup, { groupId, parentId, findable: isFindable(visibility), positions, leaderId: creatorId });
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
