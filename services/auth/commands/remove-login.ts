import { failedPrecondition } from '#platform/errors.ts';
import { runOperation } from '#platform/operations/mongo.ts';
import { loginEvent } from '../events.ts';
import { freeHeldLogins } from '../held-logins.ts';
import type { Store } from '../store.ts';

export interface RemoveLogin {
  operationId: string;
  memberId: string;
}

/**
 * Removes a suspended login with its sessions; its name is free again, and so are the former ones that were held for it.
 * A login that is gone already is removed. Sagas do it after their pivot, so it has no undo: password and sessions are not kept.
 *
 * @throws LOGIN_NOT_SUSPENDED
 */
export async function removeLogin(store: Store, { operationId, memberId }: RemoveLogin): Promise<void> {
  await runOperation(store.mongo, { operationId, command: 'auth.remove-login' }, async (session) => {
    const before = await store.members.findOne({ _id: memberId }, { session, projection: { status: 1, version: 1 } });
    if (!before) return { result: null };
    if (before.status !== 'suspended')
      throw failedPrecondition('LOGIN_NOT_SUSPENDED', 'a login must be suspended before it is removed');
    await store.members.deleteOne({ _id: memberId }, { session });
    await freeHeldLogins(store, session, memberId);
    return {
      result: null,
      events: [loginEvent('auth.login-removed', { _id: memberId, status: 'removed', version: before.version + 1 })],
    };
  });
}
