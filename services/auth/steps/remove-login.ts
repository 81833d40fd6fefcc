import type { RemoveLoginRequest, RemoveLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginEvent } from '../events.ts';
import { loginNotSuspended } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/**
 * Removes a suspended login with its sessions. Its name is held from now on, as the former ones are, so that nobody slips into it;
 * what the names were, is not kept. From now on the member is to be erased.
 * A login that is gone already is removed. Password and sessions are not kept, so it can't be undone.
 *
 * @throws LOGIN_NOT_SUSPENDED
 */
export const removeLogin: AuthStep<RemoveLoginRequest, RemoveLoginResponse> = {
  takesAway: true,
  async do({ store, session }, { memberId }) {
    const before = await store.members.findOne({ _id: memberId }, { session, projection: { loginId: 1, status: 1, version: 1 } });
    if (before && before.status !== 'suspended') throw loginNotSuspended();
    const requested = await store.erasures.request(session, [memberId]);
    if (!before) return { result: {}, events: requested };
    await store.members.deleteOne({ _id: memberId }, { session });
    await store.heldLogins.holdWithoutName(session, before);
    return {
      result: {},
      events: [...requested, loginEvent('auth.login-removed', { _id: memberId, status: 'removed', version: before.version + 1 })],
    };
  },
  undo: 'impossible',
};
