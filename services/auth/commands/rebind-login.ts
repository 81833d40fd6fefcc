import { aborted, MusubiError } from '#platform/errors.ts';
import { runOperation, type Undo } from '#platform/operations/mongo.ts';
import { loginKey } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { changeLogin, loginNotFound, type Store } from '../store.ts';
import { bindingError, checkBinding } from './bind-login.ts';

export interface RebindLogin {
  operationId: string;
  memberId: string;
  loginId: string;
}

/**
 * Changes the name that a member logs in by. Its sessions stay.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_TAKEN
 */
export async function rebindLogin(store: Store, command: RebindLogin): Promise<void> {
  checkBinding(command);
  const { operationId, memberId, loginId } = command;
  await runOperation(store.mongo, { operationId, command: 'auth.rebind-login' }, async (session) => {
    const changed = await changeLogin(store, session, memberId, { loginId, loginKey: loginKey(loginId) }).catch(
      (error: unknown) => {
        throw bindingError(error, command);
      },
    );
    if (!changed) throw loginNotFound(memberId);
    const undo: Before = { memberId, loginId: changed.before.loginId };
    return { result: null, undo, events: [loginEvent('auth.login-changed', changed.after)] };
  });
}

interface Before {
  memberId: string;
  loginId: string;
}

/**
 * Gives back the name of before. If somebody took it in the meantime, the undo can't be done until it is free
 * again: it is tried on, and the saga shows as compensating.
 */
export const undoRebindLogin =
  (store: Store): Undo<Before> =>
  async (session, { memberId, loginId }) => {
    const changed = await changeLogin(store, session, memberId, { loginId, loginKey: loginKey(loginId) }).catch(
      (error: unknown) => {
        const refused = bindingError(error, { memberId, loginId });
        if (!(refused instanceof MusubiError)) throw refused;
        throw aborted('LOGIN_TAKEN', `the login ${loginId} was taken before it could be given back`, { cause: error });
      },
    );
    return changed && { events: [loginEvent('auth.login-changed', changed.after)] };
  };
