import { OF_REQUEST } from './request-join.ts';
import { saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

export interface DeclineRequestInput {
  groupId: string;
  memberId: string;
  /** For the member to read. */
  reason?: string;
}

/** A member that has asked is not let into a group. */
export const declineRequest = saga(
  'group.decline-request',
  [OF_REQUEST],
  async ({ step }, { groupId, memberId, reason = '' }: DeclineRequestInput) => {
    await step(group.beginChangeMembership, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_DECLINE_REQUEST', reason });
    await step(auth.confirmPermit, {});
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);
