import { ENDING_MEMBERSHIP, endMembership } from './end-membership.ts';
import { saga } from './saga.ts';

export interface ExpelMemberInput {
  groupId: string;
  memberId: string;
  /** For the member to read. */
  reason: string;
  /** Who leads the group in its place. */
  successorId?: string;
  /** Who puts it out. */
  byMemberId: string;
}

/** A member is put out of a group. */
export const expelMember = saga(
  'group.expel-member',
  [ENDING_MEMBERSHIP],
  ({ step }, { groupId, memberId, reason, successorId, byMemberId }: ExpelMemberInput) =>
    endMembership(step, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_EXPEL', reason, successorId, byMemberId }),
);
