import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { BeginCreatePolicyRequest, BeginCreatePolicyResponse } from '#proto/musubi/role/v1/role.ts';
import { tidyPolicy, writtenPolicy } from '../domain.ts';
import { fromMessage } from '../events.ts';
import { invalidPolicy, nameTaken } from '../refusals.ts';
import { policies, takeName } from '../store.ts';
import { type Kept, letPolicyGo } from './lock.ts';

/**
 * Makes a policy that nobody sees yet, and keeps its name. Whether it is Cedar for this system, Auth says.
 * @throws INVALID_POLICY, NAME_TAKEN
 */
export const beginCreatePolicy: Step<BeginCreatePolicyRequest, BeginCreatePolicyResponse, Kept> = {
  async do(tx, { operationId, policyId, ...given }) {
    requireId('policyId', policyId);
    const { name = '' } = tidyPolicy({ name: given.name });
    const written = writtenPolicy({ cedar: given.cedar || undefined, simple: fromMessage(given.simple) });
    if (!written) throw invalidPolicy('cedar', 'must be given, or effect, actions and resources');
    const jobId = jobOf(operationId);
    await takeName(tx, 'policy', policyId, name);
    const now = new Date();
    const inserted = await policies.insert(tx, {
      ...{ policyId, name, ...written, builtIn: false, version: 0, createdAt: now, updatedAt: now },
      lockHolder: jobId,
      pending: { change: 'create' },
    });
    if (!inserted) throw nameTaken('policy');
    return { result: { policy: { policyId, name, cedar: written.cedar } }, kept: { id: policyId, jobId } };
  },
  undo: letPolicyGo,
};
