import type { SettlePasswordRequest, SettlePasswordResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { AuthStep } from '../store.ts';

/**
 * Forgets what the undo of a change of password would have needed: the former password, and the sessions that ended. They were refused
 * already, so no event is needed.
 */
export const settlePassword: AuthStep<SettlePasswordRequest, SettlePasswordResponse> = {
  takesAway: false,
  async do({ store, session }, { memberId }) {
    const forgotten = { $unset: { formerPassword: '' as const }, $pull: { sessions: { formerExpiresAt: { $exists: true } } } };
    await store.members.updateOne({ _id: memberId }, forgotten, { session });
    return { result: {} };
  },
  undo: 'impossible',
};
