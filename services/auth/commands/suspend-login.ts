import { runOperation, type Undo } from '#platform/operations/mongo.ts';
import type { MemberStatus } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { changeLogin, loginNotFound, type Store } from '../store.ts';

export interface SuspendLogin {
  operationId: string;
  memberId: string;
}

/**
 * Closes a login: no password and no token of the member is accepted from now on. Its sessions are kept
 * until it is removed, so that an undo gives everything back.
 *
 * @throws LOGIN_NOT_FOUND
 */
export async function suspendLogin(store: Store, { operationId, memberId }: SuspendLogin): Promise<void> {
  await runOperation(store.mongo, { operationId, command: 'auth.suspend-login' }, async (session) => {
    const changed = await changeLogin(store, session, memberId, { status: 'suspended' });
    if (!changed) throw loginNotFound(memberId);
    const undo: Before = { memberId, status: changed.before.status };
    return { result: null, undo, events: [loginEvent('auth.login-suspended', changed.after)] };
  });
}

interface Before {
  memberId: string;
  status: MemberStatus;
}

/** Opens the login again, if it was open. */
export const undoSuspendLogin =
  (store: Store): Undo<Before> =>
  async (session, { memberId, status }) => {
    const changed = await changeLogin(store, session, memberId, { status });
    return changed && { events: [loginEvent('auth.login-changed', changed.after)] };
  };
