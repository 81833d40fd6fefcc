import type { ClientSession } from 'mongodb';
import { failedPrecondition } from '#platform/errors.ts';
import type { SuspendLoginRequest, SuspendLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { ADMIN, type MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { type AuthStep, changeLogin, type Store } from '../store.ts';

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

/**
 * Without an administrator who can log in, nobody could ever open a login again.
 * @throws LAST_ADMIN
 */
async function requireAdmin({ members, roles }: Store, session: ClientSession): Promise<void> {
  // Two that each close the login of one of the last two administrators write this document both, so one of them begins again.
  await roles.updateOne({ _id: ADMIN }, { $inc: { loginsClosed: 1 } }, { session });
  const open = await members.findOne({ roleIds: ADMIN, status: 'active' }, { session, projection: { _id: 1 } });
  if (!open) throw failedPrecondition('LAST_ADMIN');
}
