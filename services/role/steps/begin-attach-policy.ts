import { MOST_POLICIES } from '#platform/validation/access-fields.ts';
import type { BeginAttachPolicyRequest, BeginAttachPolicyResponse } from '#proto/musubi/role/v1/role.ts';
import { alreadyAttached, policyBusy, policyNotFound, tooManyPolicies } from '../refusals.ts';
import { policies } from '../store.ts';
import { lockRole } from './lock.ts';

/**
 * Begins to have a role carry a policy.
 * @throws POLICY_NOT_FOUND, ALREADY_ATTACHED, TOO_MANY_POLICIES, and as {@link lockRole}; POLICY_BUSY (retryable) while a
 *   job changes the policy
 */
export const beginAttachPolicy = lockRole<BeginAttachPolicyRequest, BeginAttachPolicyResponse>(async (tx, role, { policyId }) => {
  const policy = await policies.find(tx, policyId);
  if (!policy || policy.version === 0) throw policyNotFound();
  if (role.policyIds.includes(policyId)) throw alreadyAttached();
  if (role.policyIds.length >= MOST_POLICIES) throw tooManyPolicies();
  if (policy.lockHolder !== null) throw policyBusy();
  const { name, cedar } = policy;
  return { pending: { change: 'attach', policyId }, result: { policy: { policyId, name, cedar } } };
});
