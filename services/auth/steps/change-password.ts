import { aborted, failedPrecondition } from '#platform/errors.ts';
import type { ChangePasswordRequest, ChangePasswordResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Session } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { loginNotFound, loginSuspended, passwordRefInvalid, permissionRevoked } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/** Long ago: whatever asks whether a session is over, finds that it is. */
const ENDED = new Date(0);

/**
 * Gives a member the password that was staged for it. From then on the former one is wrong, and if asked, the tokens of all
 * sessions but the one that asks are refused. What an undo needs of both is kept with the member until `settlePassword`; meanwhile
 * no other change begins.
 *
 * The session that asks must still be there when this is written, and the password must be the one that was looked at: of two changes
 * at once one is refused.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_SUSPENDED, PERMISSION_REVOKED, PASSWORD_REF_INVALID, PASSWORD_CHANGED; LOGIN_BUSY (retryable)
 */
export const changePassword: AuthStep<ChangePasswordRequest, ChangePasswordResponse, { memberId: string }> = {
  takesAway: true,
  async do({ store, session }, { memberId, sessionId, passwordRef, endOtherSessions }) {
    const now = new Date(store.clock.now());
    const member = await store.members.findOne({ _id: memberId }, { session });
    if (!member) throw loginNotFound();
    if (member.status !== 'active') throw loginSuspended();
    if (member.formerPassword) throw aborted('LOGIN_BUSY');
    if (!member.sessions.some(({ id, expiresAt }) => id === sessionId && expiresAt > now)) throw permissionRevoked();
    const staged = await store.secrets.findOneAndDelete({ _id: passwordRef, expiresAt: { $gt: now } }, { session });
    if (!staged) throw passwordRefInvalid();
    if (staged.replaces !== member.password.hash) throw failedPrecondition('PASSWORD_CHANGED');
    const ends = ({ id }: Session): boolean => endOtherSessions && id !== sessionId;
    const sessions = member.sessions.map((one) =>
      ends(one) ? { ...one, expiresAt: ENDED, formerExpiresAt: one.expiresAt } : one,
    );
    const changed = { password: staged.password, formerPassword: member.password, sessions, updatedAt: now };
    await store.members.updateOne({ _id: memberId }, { $set: changed, $inc: { version: 1 } }, { session });
    const ended = loginEvent('auth.session-ended', { ...member, version: member.version + 1 });
    return { result: {}, kept: { memberId }, events: member.sessions.some(ends) ? [ended] : [] };
  },
  /** Gives back the former password, and those of the sessions that nobody has ended meanwhile. */
  async undo({ store, session }, { memberId }) {
    const member = await store.members.findOne({ _id: memberId }, { session });
    if (!member?.formerPassword) return;
    const sessions = member.sessions.map(({ formerExpiresAt, ...one }) =>
      formerExpiresAt ? { ...one, expiresAt: formerExpiresAt } : one,
    );
    const changed = { password: member.formerPassword, sessions, updatedAt: new Date(store.clock.now()) };
    await store.members.updateOne(
      { _id: memberId },
      { $set: changed, $unset: { formerPassword: '' }, $inc: { version: 1 } },
      { session },
    );
  },
};
