import type { BeginUpdatePolicyRequest, BeginUpdatePolicyResponse } from '#proto/musubi/role/v1/role.ts';
import { tidyPolicy, writtenPolicy } from '../domain.ts';
import { fromMessage } from '../events.ts';
import { carriersOf, takeName } from '../store.ts';
import { lockPolicy } from './lock.ts';

/** Begins to change a policy. @throws INVALID_POLICY, NAME_TAKEN, and as {@link lockPolicy} */
export const beginUpdatePolicy = lockPolicy<BeginUpdatePolicyRequest, BeginUpdatePolicyResponse>(async (tx, policy, given) => {
  const { policyId } = policy;
  const { name = policy.name } = tidyPolicy({ name: given.name });
  const { cedar, simple } = writtenPolicy({ cedar: given.cedar, simple: fromMessage(given.simple) }) ?? policy;
  await takeName(tx, 'policy', policyId, name);
  const result = { policy: { policyId, name, cedar }, roleIds: await carriersOf(tx, policyId) };
  return { pending: { change: 'update', name, cedar, simple }, result };
});
