import { alreadyExists } from '#platform/errors.ts';
import { isDuplicateKey } from '#platform/mongo/database.ts';
import { kept, loginId } from '#platform/validation/fields.ts';
import type { BindLoginRequest, BindLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginKey, type Member } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { loginTaken, passwordRefInvalid } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/**
 * Binds a login to a new member; nobody can log in by it yet.
 *
 * @throws LOGIN_TAKEN (also while another member's former name), LOGIN_EXISTS (the member has one already), PASSWORD_REF_INVALID
 */
export const bindLogin: AuthStep<BindLoginRequest, BindLoginResponse, { memberId: string }> = {
  takesAway: false,
  async do({ store, session }, request) {
    checkBinding(request);
    const { memberId, loginId, passwordRef } = request;
    const key = loginKey(loginId);
    // The name comes before the password, so that a repeat is refused for the same reason as the first time.
    if (await store.members.findOne({ loginKey: key }, { session, projection: { _id: 1 } })) throw loginTaken();
    await store.heldLogins.end(session, { memberId, loginId });
    const now = new Date(store.clock.now());
    const staged = await store.secrets.findOneAndDelete({ _id: passwordRef, expiresAt: { $gt: now } }, { session });
    if (!staged) throw passwordRefInvalid();
    const member: Member = {
      _id: memberId,
      loginId,
      loginKey: key,
      password: staged.password,
      roleIds: [],
      groupIds: [],
      positionIds: [],
      status: 'pending',
      version: 1,
      sessions: [],
      createdAt: now,
      updatedAt: now,
    };
    await store.members.insertOne(member, { session }).catch((error: unknown) => {
      throw bindingError(error, request);
    });
    return { result: {}, kept: { memberId } };
  },
  /** Removes the login again; the staged password went when it was bound. */
  async undo({ store, session }, { memberId }) {
    const member = await store.members.findOneAndDelete({ _id: memberId }, { session, projection: { status: 1, version: 1 } });
    if (!member) return;
    return { events: [loginEvent('auth.login-removed', { _id: memberId, status: 'removed', version: member.version + 1 })] };
  },
};

/** @throws INVALID_ARGUMENT for a login ID that nobody can have */
export function checkBinding({ loginId: given }: { loginId: string }): void {
  kept({ loginId }, { loginId: given });
}

/** What a refused write of a member means: two bindings at once meet in the unique index. */
export function bindingError(error: unknown, { memberId }: { memberId: string }): unknown {
  if (isDuplicateKey(error, 'loginKey_1')) return loginTaken();
  if (isDuplicateKey(error)) return alreadyExists('LOGIN_EXISTS', `member ${memberId} has a login already`);
  return error;
}
