import { pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member } = services;

export interface ReinstateMemberInput {
  memberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Lets a suspended member in again, with the roles that it had, or leaves it suspended. */
export const reinstateMember = saga(
  'member.reinstate',
  [[member.beginReinstate, pivot(auth.reinstateLogin), member.reinstateMember]],
  async ({ step }, { memberId, expectedVersion }: ReinstateMemberInput) => {
    await step(member.beginReinstate, { memberId, expectedVersion });
    await step(auth.reinstateLogin, { memberId });
    await step(member.reinstateMember, { memberId });
    return { id: memberId };
  },
);
