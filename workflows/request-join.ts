import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group } = services;

/** How a request becomes another one: nobody is anything else to the group by it. */
export const OF_REQUEST = [
  group.beginChangeMembership,
  pivot(auth.confirmPermit),
  finish(group.commitMembership, () => ({})),
] as const;

export interface RequestJoinInput {
  groupId: string;
  memberId: string;
  /** For those who decide. */
  message?: string;
}

/** A member asks to be let into a group. */
export const requestJoin = saga(
  'group.request-join',
  [OF_REQUEST],
  async ({ step }, { groupId, memberId, message = '' }: RequestJoinInput) => {
    await step(group.beginChangeMembership, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_REQUEST', reason: message });
    await step(auth.confirmPermit, {});
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);
