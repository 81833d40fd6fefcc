import type { BeginUpdateRoleRequest, BeginUpdateRoleResponse } from '#proto/musubi/role/v1/role.ts';
import { tidyRole } from '../domain.ts';
import { takeName } from '../store.ts';
import { lockRole } from './lock.ts';

/** Begins to give a role another name or description. @throws INVALID_ROLE, NAME_TAKEN, and as {@link lockRole} */
export const beginUpdateRole = lockRole<BeginUpdateRoleRequest, BeginUpdateRoleResponse>(async (tx, role, given) => {
  const { name = role.name, description = role.description } = tidyRole({ name: given.name, description: given.description });
  await takeName(tx, 'role', role.roleId, name);
  return { pending: { change: 'update', name, description }, result: {} };
});
