import type { OutboxEvent, Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import type { CommitPolicyRequest, CommitPolicyResponse } from '#proto/musubi/role/v1/role.ts';
import type { Policy, PolicyChange } from '../domain.ts';
import { policyDeleted, policyEvent, writtenPolicy } from '../events.ts';
import { keepName, policies } from '../store.ts';
import { begunPolicy } from './lock.ts';

/**
 * Does what the job has begun with the policy. Auth goes by it already.
 * @throws POLICY_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitPolicy: Step<CommitPolicyRequest, CommitPolicyResponse> = {
  async do(tx, { operationId, policyId }) {
    const { thing: policy, pending } = await begunPolicy(tx, policyId, operationId);
    const event = await apply(tx, policy, pending);
    return { result: { written: writtenPolicy(policyId, policy.version) }, events: [event] };
  },
  undo: 'impossible',
};

async function apply(tx: Transaction, policy: Policy, { change, ...changes }: PolicyChange): Promise<OutboxEvent> {
  const { policyId, version } = policy;
  if (change === 'delete') {
    await keepName(tx, 'policy', policyId);
    await policies.remove(tx, policyId);
    return policyDeleted(policyId, version);
  }
  const changed = { ...policy, ...changes };
  await keepName(tx, 'policy', policyId, changed.name);
  await policies.save(tx, changed);
  return policyEvent(change === 'create' ? 'policy.created' : 'policy.updated', changed);
}
