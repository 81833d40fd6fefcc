import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface TagGroupInput {
  /** Of whose own set the tag is. */
  groupId: string;
  tag: string;
  /** Whether it is put on, or taken off. */
  isOn: boolean;
  /** What is to carry it, or not any more: a group right below that one, or a member in it. */
  subgroupId?: string;
  memberId?: string;
}

/** Puts a tag of a group's own set on a group right below it or on a member in it, or takes it off. */
export const tagGroup = saga(
  'group.tag',
  [[group.beginTag, pivot(auth.confirmPermit), finish(group.commitTag, () => ({}))]],
  async ({ step }, { groupId, tag, isOn, subgroupId, memberId }: TagGroupInput) => {
    await step(group.beginTag, { groupId, tag, isOn, subgroupId, memberId });
    await step(auth.confirmPermit, {});
    await step(group.commitTag, {});
    return { id: subgroupId ?? memberId ?? groupId };
  },
);
