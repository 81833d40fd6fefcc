import type { SimplePolicy } from '#proto/musubi/role/v1/role.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role } = services;

export interface CreatePolicyInput {
  /** Minted by the gateway. */
  policyId: string;
  name: string;
  /** One of these two. */
  cedar?: string;
  simple?: SimplePolicy;
}

/** Makes a policy, which no role carries yet. */
export const createPolicy = saga(
  'policy.create',
  [[role.beginCreatePolicy, pivot(auth.changePolicy), finish(role.commitPolicy, (policyId) => ({ policyId }))]],
  async ({ step }, { policyId, name, cedar = '', simple }: CreatePolicyInput) => {
    const { policy } = await step(role.beginCreatePolicy, { policyId, name, cedar, simple });
    await step(auth.changePolicy, { policy, roleIds: [], raw: cedar !== '' });
    await step(role.commitPolicy, { policyId });
    return { id: policyId };
  },
);
