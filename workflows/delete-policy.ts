import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role } = services;

export interface DeletePolicyInput {
  policyId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Deletes a policy that no role carries. */
export const deletePolicy = saga(
  'policy.delete',
  [[role.beginDeletePolicy, pivot(auth.confirmPermit), finish(role.commitPolicy, (policyId) => ({ policyId }))]],
  async ({ step }, { policyId, expectedVersion }: DeletePolicyInput) => {
    await step(role.beginDeletePolicy, { policyId, expectedVersion });
    await step(auth.confirmPermit, {});
    await step(role.commitPolicy, { policyId });
    return { id: policyId };
  },
);
