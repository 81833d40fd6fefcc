import type { BeginDeletePolicyRequest, BeginDeletePolicyResponse } from '#proto/musubi/role/v1/role.ts';
import { policyInUse } from '../refusals.ts';
import { carriersOf } from '../store.ts';
import { lockPolicy } from './lock.ts';

/** Begins to delete a policy. @throws POLICY_IN_USE, and as {@link lockPolicy} */
export const beginDeletePolicy = lockPolicy<BeginDeletePolicyRequest, BeginDeletePolicyResponse>(async (tx, { policyId }) => {
  if ((await carriersOf(tx, policyId)).length > 0) throw policyInUse();
  return { pending: { change: 'delete' }, result: {} };
});
