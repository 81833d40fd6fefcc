import { notFound } from '#platform/errors.ts';
import type { DetachPolicyRequest, DetachPolicyResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Policy } from '../domain.ts';
import { type PermittedStep, requireAdministrator } from '../permitted.ts';
import { factsOf } from '../policy-facts.ts';
import { changePolicies } from '../role-policies.ts';

interface Kept {
  roleId: string;
  policy: Policy | null;
}

/**
 * Has a role not carry a policy any more. What forbids something only an administrator takes away: that permits.
 *
 * @throws ROLE_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS
 */
export const detachPolicy: PermittedStep<DetachPolicyRequest, DetachPolicyResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { roleId, policyId }, author) {
    const before = await changePolicies(store, session, roleId, (all) => all.filter((one) => one.policyId !== policyId));
    if (!before) throw notFound('ROLE_NOT_FOUND', `there is no role ${roleId}`);
    const policy = before.policies.find((one) => one.policyId === policyId) ?? null;
    if (policy && factsOf(policy.cedar).forbids) requireAdministrator(author);
    return { result: {}, kept: { roleId, policy } };
  },
  async undo({ store, session }, { roleId, policy }) {
    if (policy) await changePolicies(store, session, roleId, (all) => [...all, policy]);
  },
};
