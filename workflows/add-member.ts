import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface AddMemberInput {
  groupId: string;
  memberId: string;
  /** Who asks for it: one that comes by itself comes into a group that is open. */
  byMemberId: string;
}

/** Has a member be in a group. */
export const addMember = saga(
  'group.add-member',
  [[group.beginChangeMembership, pivot(auth.changeStandings), finish(group.commitMembership, () => ({}))]],
  async ({ step }, { groupId, memberId, byMemberId }: AddMemberInput) => {
    const change = memberId === byMemberId ? 'MEMBERSHIP_CHANGE_JOIN' : 'MEMBERSHIP_CHANGE_ADD';
    await step(group.beginChangeMembership, { groupId, memberId, change, reason: '' });
    const changes = [{ memberId, isMember: true, positions: undefined }];
    await step(auth.changeStandings, { groupId, changes, leavesNone: false });
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);
