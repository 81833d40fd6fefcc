import type { BeginDeleteRoleRequest, BeginDeleteRoleResponse } from '#proto/musubi/role/v1/role.ts';
import { countHolders, requireNobodyGets } from '../member-roles.ts';
import { lockRole } from './lock.ts';

/**
 * Begins to delete a role: from then on nobody is given it.
 * @throws as {@link lockRole}; ROLE_BUSY (retryable) while a job is giving it to somebody
 */
export const beginDeleteRole = lockRole<BeginDeleteRoleRequest, BeginDeleteRoleResponse>(async (tx, { roleId }) => {
  await requireNobodyGets(tx, roleId);
  return { pending: { change: 'delete' }, result: { holders: await countHolders(tx, roleId) } };
});
