import type { ReinstateLoginRequest, ReinstateLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { loginNotFound } from '../refusals.ts';
import { type AuthStep, changeLogin } from '../store.ts';

interface Before {
  memberId: string;
  status: MemberStatus;
}

/**
 * Opens a suspended login: its password is accepted again, and it has the roles that it had.
 *
 * @throws LOGIN_NOT_FOUND
 */
export const reinstateLogin: AuthStep<ReinstateLoginRequest, ReinstateLoginResponse, Before> = {
  takesAway: false,
  async do({ store, session }, { memberId }) {
    const changed = await changeLogin(store, session, memberId, { status: 'active' });
    if (!changed) throw loginNotFound();
    return { result: {}, kept: { memberId, status: changed.before.status } };
  },
  /** Closes the login again, if it was closed, and ends the sessions that were begun meanwhile: a suspended login has none. */
  async undo({ store, session }, { memberId, status }) {
    if (status !== 'suspended') return;
    const changed = await changeLogin(store, session, memberId, { status, sessions: [] });
    return changed && { events: [loginEvent('auth.login-suspended', changed.after)] };
  },
};
