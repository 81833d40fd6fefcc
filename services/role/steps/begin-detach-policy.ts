import type { BeginDetachPolicyRequest, BeginDetachPolicyResponse } from '#proto/musubi/role/v1/role.ts';
import { notAttached, policyBusy } from '../refusals.ts';
import { policies } from '../store.ts';
import { lockRole } from './lock.ts';

/**
 * Begins to take a policy from a role.
 * @throws NOT_ATTACHED, and as {@link lockRole}; POLICY_BUSY (retryable) while a job changes the policy
 */
export const beginDetachPolicy = lockRole<BeginDetachPolicyRequest, BeginDetachPolicyResponse>(async (tx, role, { policyId }) => {
  if (!role.policyIds.includes(policyId)) throw notAttached();
  const policy = await policies.find(tx, policyId);
  if (policy && policy.lockHolder !== null) throw policyBusy();
  return { pending: { change: 'detach', policyId }, result: {} };
});
