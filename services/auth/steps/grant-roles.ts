import { invalidFields, notFound } from '#platform/errors.ts';
import { MOST_ROLES } from '#platform/validation/access-fields.ts';
import type { GrantRolesRequest, GrantRolesResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { loginClosed } from '../refusals.ts';
import { type AuthStep, changeLogin, requireLogin } from '../store.ts';

interface Before {
  memberId: string;
  roleIds: string[];
  status: MemberStatus;
}

/**
 * Gives a member exactly these roles, and opens its login.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_CLOSED, ROLE_NOT_FOUND
 */
export const grantRoles: AuthStep<GrantRolesRequest, GrantRolesResponse, Before> = {
  takesAway: true,
  async do({ store, session }, { memberId, roleIds }) {
    if (roleIds.length > MOST_ROLES) throw invalidFields([{ field: 'roleIds', message: `must be at most ${MOST_ROLES}` }]);
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
      throw loginClosed();
    }
    const { before } = changed;
    const kept = { memberId, roleIds: before.roleIds, status: before.status };
    return { result: {}, kept };
  },
  /** Gives back the roles and the state of before. */
  async undo({ store, session }, { memberId, roleIds, status }) {
    const changed = await changeLogin(store, session, memberId, { roleIds, status });
    // A login that is closed again may have been used meanwhile.
    if (changed && status !== 'active') return { events: [loginEvent('auth.login-suspended', changed.after)] };
  },
};
