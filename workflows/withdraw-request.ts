import { OF_REQUEST } from './request-join.ts';
import { saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface WithdrawRequestInput {
  groupId: string;
  memberId: string;
}

/** A member takes back that it has asked, or has the answer forgotten. */
export const withdrawRequest = saga(
  'group.withdraw-request',
  [OF_REQUEST],
  async ({ step }, { groupId, memberId }: WithdrawRequestInput) => {
    await step(group.beginChangeMembership, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_WITHDRAW_REQUEST', reason: '' });
    await step(auth.confirmPermit, {});
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);
