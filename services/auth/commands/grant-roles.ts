import { failedPrecondition, notFound } from '#platform/errors.ts';
import { runOperation, type Undo } from '#platform/operations/mongo.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { changeLogin, requireLogin, type Store } from '../store.ts';

export interface GrantRoles {
  operationId: string;
  memberId: string;
  roleIds: string[];
}

/**
 * Gives a member exactly these roles, and opens its login.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_SUSPENDED, ROLE_NOT_FOUND
 */
export async function grantRoles(store: Store, { operationId, memberId, roleIds }: GrantRoles): Promise<void> {
  await runOperation(store.mongo, { operationId, command: 'auth.grant-roles' }, async (session) => {
    const roles = [...new Set(roleIds)];
    const known = await store.roles.find({ _id: { $in: roles } }, { session, projection: { _id: 1 } }).toArray();
    const missing = roles.filter((roleId) => !known.some(({ _id }) => _id === roleId));
    if (missing.length > 0) {
      const fields = [
        { field: 'roleIds', code: 'NOT_FOUND', message: `has roles that do not exist: ${missing.join(', ')}` },
      ] as const;
      throw notFound('ROLE_NOT_FOUND', `there is no role ${missing.join(', ')}`, { fields });
    }
    const changed = await changeLogin(store, session, memberId, { roleIds: roles, status: 'active' }, ['pending', 'active']);
    if (!changed) {
      await requireLogin(store, session, memberId);
      throw failedPrecondition('LOGIN_SUSPENDED', `the login of member ${memberId} is suspended`);
    }
    const { before, after } = changed;
    const undo: Before = { memberId, roleIds: before.roleIds, status: before.status };
    return { result: null, undo, events: [loginEvent('auth.login-changed', after)] };
  });
}

interface Before {
  memberId: string;
  roleIds: string[];
  status: MemberStatus;
}

/** Gives back the roles and the state of before. */
export const undoGrantRoles =
  (store: Store): Undo<Before> =>
  async (session, { memberId, roleIds, status }) => {
    const changed = await changeLogin(store, session, memberId, { roleIds, status });
    return changed && { events: [loginEvent('auth.login-changed', changed.after)] };
  };
