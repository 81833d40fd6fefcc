import type { SuspendLoginRequest, SuspendLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { type AuthStep, changeLogin } from '../store.ts';

interface Before {
  memberId: string;
  status: MemberStatus;
}

/**
 * Closes a login: no password and no token of the member is accepted from now on. Its sessions are kept
 * until it is removed, so that an undo gives everything back.
 *
 * A login that is not there is closed: a member that Auth does not know (its store was restored from an older copy) can
 * still be deleted.
 */
export const suspendLogin: AuthStep<SuspendLoginRequest, SuspendLoginResponse, Before | null> = {
  async do({ store, session }, { memberId }) {
    const changed = await changeLogin(store, session, memberId, { status: 'suspended' });
    if (!changed) return { result: {}, kept: null };
    const kept = { memberId, status: changed.before.status };
    return { result: {}, kept, events: [loginEvent('auth.login-suspended', changed.after)] };
  },
  /** Opens the login again, if it was open. */
  async undo({ store, session }, before) {
    if (!before) return;
    const { memberId, status } = before;
    const changed = await changeLogin(store, session, memberId, { status });
    return changed && { events: [loginEvent('auth.login-changed', changed.after)] };
  },
};
