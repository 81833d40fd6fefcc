import { COMING, comeIn } from './come-in.ts';
import { saga } from './saga.ts';

export interface AddMemberInput {
  groupId: string;
  memberId: string;
  /** Who asks for it: one that comes by itself comes into a group that is open. */
  byMemberId: string;
}

/** Has a member be in a group. */
export const addMember = saga('group.add-member', [COMING], ({ step }, { groupId, memberId, byMemberId }: AddMemberInput) =>
  comeIn(step, { groupId, memberId, change: memberId === byMemberId ? 'MEMBERSHIP_CHANGE_JOIN' : 'MEMBERSHIP_CHANGE_ADD' }),
);
