import { ADMIN } from '#platform/validation/access-fields.ts';
import type { SuspendLoginRequest, SuspendLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { type AuthStep, changeLogin, requireAdmin } from '../store.ts';

interface Before {
  memberId: string;
  status: MemberStatus;
}

/**
 * Closes a login: no password and no token of the member is accepted from now on. Its sessions are kept
 * until they are ended or the login is removed, so that an undo gives everything back.
 *
 * A login that is not there is closed: a member that Auth does not know (its store was restored from an older copy) can
 * still be deleted.
 *
 * @throws LAST_ADMIN
 */
export const suspendLogin: AuthStep<SuspendLoginRequest, SuspendLoginResponse, Before | null> = {
  takesAway: true,
  async do({ store, session }, { memberId }) {
    const changed = await changeLogin(store, session, memberId, { status: 'suspended' });
    if (!changed) return { result: {}, kept: null };
    const { before, after } = changed;
    if (before.status === 'active' && before.roleIds.includes(ADMIN)) await requireAdmin(store, session);
    const kept = { memberId, status: before.status };
    return { result: {}, kept, events: [loginEvent('auth.login-suspended', after)] };
  },
  /** Opens the login again, if it was open. */
  async undo({ store, session }, before) {
    if (!before) return;
    const { memberId, status } = before;
    await changeLogin(store, session, memberId, { status });
  },
};
