import { COMING, comeIn } from './come-in.ts';
import { saga } from './saga.ts';

export interface ApproveRequestInput {
  groupId: string;
  memberId: string;
}

/** A member that has asked is let into a group. */
export const approveRequest = saga('group.approve-request', [COMING], ({ step }, input: ApproveRequestInput) =>
  comeIn(step, { ...input, change: 'MEMBERSHIP_CHANGE_APPROVE' }),
);
