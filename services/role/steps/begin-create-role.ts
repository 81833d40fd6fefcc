import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { BeginCreateRoleRequest, BeginCreateRoleResponse } from '#proto/musubi/role/v1/role.ts';
import { tidyRole } from '../domain.ts';
import { nameTaken } from '../refusals.ts';
import { roles, takeName } from '../store.ts';
import { type Kept, letRoleGo } from './lock.ts';

/**
 * Makes a role that nobody sees yet, and keeps its name.
 * @throws INVALID_ROLE, NAME_TAKEN
 */
export const beginCreateRole: Step<BeginCreateRoleRequest, BeginCreateRoleResponse, Kept> = {
  async do(tx, { operationId, roleId, ...given }) {
    requireId('roleId', roleId);
    const { name = '', description = '' } = tidyRole(given);
    const jobId = jobOf(operationId);
    await takeName(tx, 'role', roleId, name);
    const now = new Date();
    const inserted = await roles.insert(tx, {
      ...{ roleId, name, description, builtIn: false, policyIds: [], version: 0, createdAt: now, updatedAt: now },
      lockHolder: jobId,
      pending: { change: 'create' },
    });
    if (!inserted) throw nameTaken('role');
    return { result: {}, kept: { id: roleId, jobId } };
  },
  undo: letRoleGo,
};
