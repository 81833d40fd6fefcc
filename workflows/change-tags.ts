import type { TagsChange } from '#proto/musubi/group/v1/group.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface ChangeTagsInput {
  groupId: string;
  change: TagsChange;
  tag: string;
  /** What it is called from then on, where it is renamed. */
  name?: string;
  /** Whether it becomes one with the tag that has that name; absent: no. */
  merge?: boolean;
}

/** Changes a group's own set of tags. What carries one of them is not touched, however much that is. */
export const changeTags = saga(
  'group.change-tags',
  [[group.beginChangeTags, pivot(auth.confirmPermit), finish(group.commitGroup, (groupId) => ({ groupId }))]],
  async ({ step }, { groupId, change, tag, name, merge = false }: ChangeTagsInput) => {
    await step(group.beginChangeTags, { groupId, change, tag, name, merge });
    await step(auth.confirmPermit, {});
    await step(group.commitGroup, { groupId });
    return { id: groupId };
  },
);
