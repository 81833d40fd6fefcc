import type { RemoveRoleRequest, RemoveRoleResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Role } from '../domain.ts';
import { type PermittedStep, requireAdministrator } from '../permitted.ts';
import { factsOf } from '../policy-facts.ts';

/**
 * Removes a role: it permits nothing, and forbids nothing, to anybody. A role that is not there is removed.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS for a role that forbids something, unless by an administrator
 */
export const removeRole: PermittedStep<RemoveRoleRequest, RemoveRoleResponse, Role | null> = {
  takesAway: true,
  async do({ store, session }, { roleId }, author) {
    const role = await store.roles.findOneAndDelete({ _id: roleId }, { session });
    if (role?.policies.some(({ cedar }) => factsOf(cedar).forbids)) requireAdministrator(author);
    return { result: {}, kept: role };
  },
  async undo({ store, session }, role) {
    // Under a version that it never had: decisions are kept by it.
    if (role) await store.roles.insertOne({ ...role, version: role.version + 1 }, { session });
  },
};
