import { ENDING_MEMBERSHIP, endMembership } from './end-membership.ts';
import { saga } from './saga.ts';

export interface LeaveGroupInput {
  groupId: string;
  memberId: string;
  /** Who leads the group in its place. */
  successorId?: string;
}

/** A member leaves a group by itself. */
export const leaveGroup = saga(
  'group.leave',
  [ENDING_MEMBERSHIP],
  ({ step }, { groupId, memberId, successorId }: LeaveGroupInput) =>
    endMembership(step, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_LEAVE', reason: '', successorId, byMemberId: memberId }),
);
