import { notFound } from '#platform/errors.ts';
import type { AttachPolicyRequest, AttachPolicyResponse } from '#proto/musubi/auth/v1/auth.ts';
import { type PermittedStep, requireHeld, requireNotBound } from '../permitted.ts';
import { factsOf } from '../policy-facts.ts';
import { changePolicies, requirePolicy } from '../role-policies.ts';

interface Kept {
  roleId: string;
  policyId: string;
}

/**
 * Has a role carry a policy more. Who is no administrator holds the policy itself.
 *
 * @throws ROLE_NOT_FOUND, INVALID_POLICY, POLICY_NOT_LISTABLE, EXCEEDS_OWN_PERMISSIONS, LAST_ADMIN
 */
export const attachPolicy: PermittedStep<AttachPolicyRequest, AttachPolicyResponse, Kept> = {
  takesAway: ({ policy }) => policy !== undefined && factsOf(policy.cedar).forbids,
  async do({ store, session }, { roleId, policy: given }, author, policies) {
    const policy = requirePolicy(policies, given, false);
    const role = await store.roles.findOne({ _id: roleId }, { session });
    if (!role) throw notFound('ROLE_NOT_FOUND', `there is no role ${roleId}`);
    // Before it is attached: the author may hold this role, and would then hold the policy.
    await requireHeld(author, [policy], [...role.policies, policy]);
    await changePolicies(store, session, roleId, (all) => [...without(all, policy.policyId), policy]);
    if (factsOf(policy.cedar).forbids) await requireNotBound(store, session, author, [roleId]);
    return { result: {}, kept: { roleId, policyId: policy.policyId } };
  },
  async undo({ store, session }, { roleId, policyId }) {
    await changePolicies(store, session, roleId, (all) => without(all, policyId));
  },
};

const without = <P extends { policyId: string }>(policies: readonly P[], policyId: string): P[] =>
  policies.filter((policy) => policy.policyId !== policyId);
