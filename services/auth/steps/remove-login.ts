import type { RemoveLoginRequest, RemoveLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginEvent } from '../events.ts';
import { freeHeldLogins } from '../held-logins.ts';
import { loginNotSuspended } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/**
 * Removes a suspended login with its sessions; its name is free again, and so are the former ones that were held for it.
 * A login that is gone already is removed. Password and sessions are not kept, so it can't be undone.
 *
 * @throws LOGIN_NOT_SUSPENDED
 */
export const removeLogin: AuthStep<RemoveLoginRequest, RemoveLoginResponse> = {
  async do({ store, session }, { memberId }) {
    const before = await store.members.findOne({ _id: memberId }, { session, projection: { status: 1, version: 1 } });
    if (!before) return { result: {} };
    if (before.status !== 'suspended') throw loginNotSuspended();
    await store.members.deleteOne({ _id: memberId }, { session });
    await freeHeldLogins(store, session, memberId);
    return {
      result: {},
      events: [loginEvent('auth.login-removed', { _id: memberId, status: 'removed', version: before.version + 1 })],
    };
  },
  undo: 'impossible',
};
