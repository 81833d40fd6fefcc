import type { EndSessionsRequest, EndSessionsResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginNotSuspended } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/**
 * Ends the sessions of a suspended login for good: they do not come back when it is opened again. They were refused
 * already, so no event is needed. A login that is not there has none.
 *
 * @throws LOGIN_NOT_SUSPENDED
 */
export const endSessions: AuthStep<EndSessionsRequest, EndSessionsResponse> = {
  takesAway: true,
  async do({ store, session }, { memberId }) {
    const before = await store.members.findOneAndUpdate({ _id: memberId }, { $set: { sessions: [] } }, { session });
    if (before && before.status !== 'suspended') throw loginNotSuspended();
    return { result: {} };
  },
  undo: 'impossible',
};
