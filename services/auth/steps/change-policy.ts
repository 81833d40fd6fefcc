import type { ChangePolicyRequest, ChangePolicyResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Policy } from '../domain.ts';
import { type PermittedStep, requireAdministrator, requireNotBound } from '../permitted.ts';
import { factsOf } from '../policy-facts.ts';
import { changePolicies, requireNamesNoMembers, requirePolicy } from '../role-policies.ts';

interface Kept {
  policyId: string;
  /** What it was in each of the roles that carried it. */
  before: { roleId: string; policy: Policy }[];
}

/**
 * Has a policy say something else in all roles that carry it. Only an administrator writes Cedar, or changes what a role
 * carries already: what others hold may grow by it.
 *
 * @throws INVALID_POLICY, POLICY_NOT_LISTABLE, EXCEEDS_OWN_PERMISSIONS, LAST_ADMIN
 */
export const changePolicy: PermittedStep<ChangePolicyRequest, ChangePolicyResponse, Kept> = {
  // Of a policy that no role carries nobody holds anything.
  takesAway: ({ roleIds }) => roleIds.length > 0,
  async do({ store, session }, { policy: given, roleIds, raw }, author, policies) {
    if (raw || roleIds.length > 0) requireAdministrator(author);
    const policy = requirePolicy(policies, given, raw);
    await requireNamesNoMembers(store, session, policy);
    const { policyId } = policy;
    const before: Kept['before'] = [];
    for (const roleId of roleIds) {
      const role = await changePolicies(store, session, roleId, (all) =>
        all.map((one) => (one.policyId === policyId ? policy : one)),
      );
      const was = role?.policies.find((one) => one.policyId === policyId);
      if (was) before.push({ roleId, policy: was });
    }
    if (roleIds.length > 0 && factsOf(policy.cedar).forbids) await requireNotBound(store, session, author, roleIds);
    return { result: {}, kept: { policyId, before } };
  },
  async undo({ store, session }, { policyId, before }) {
    for (const { roleId, policy } of before)
      await changePolicies(store, session, roleId, (all) => all.map((one) => (one.policyId === policyId ? policy : one)));
  },
};
