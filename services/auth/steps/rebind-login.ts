import type { ClientSession } from 'mongodb';
import { aborted, MusubiError } from '#platform/errors.ts';
import type { RebindLoginRequest, RebindLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginKey } from '../domain.ts';
import { checkHolds, endHold, holdLogin } from '../held-logins.ts';
import { type AuthStep, changeLogin, loginNotFound, type Store } from '../store.ts';
import { bindingError, checkBinding } from './bind-login.ts';

interface Before {
  memberId: string;
  loginId: string;
  /** The hold that the new name was under, for this member. */
  hold?: { key: string; until: string };
}

/**
 * Changes the name that a member logs in by. Its sessions stay.
 *
 * The former name is held for the member for 7 days: no other member can bind it, and the member may take it back. So an undo
 * can always put the name back, and nobody can slip into a name by which others still know the member.
 * A name that differs in case only is the same name: nothing is held. Few names are held at a time.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_TAKEN (also while it is held for another), TOO_MANY_RENAMES
 */
export const rebindLogin: AuthStep<RebindLoginRequest, RebindLoginResponse, Before> = {
  async do({ store, session }, request) {
    checkBinding(request);
    const { memberId, loginId } = request;
    const { changed, hold, others } = await rename(store, session, request);
    if (!changed) throw loginNotFound();
    const former = loginKey(changed.before.loginId);
    if (former !== loginKey(loginId)) {
      checkHolds(store, others);
      await holdLogin(store, session, { _id: former, memberId });
    }
    const kept: Before = {
      memberId,
      loginId: changed.before.loginId,
      ...(hold ? { hold: { key: hold._id, until: hold.until.toISOString() } } : {}),
    };
    return { result: {}, kept };
  },
  /**
   * Gives back the name of before, and the hold of the new name if it was held for the member; the hold of the former
   * name ends. Only an undo that comes after the hold has lapsed can find the name taken: it is tried on until it is
   * free again, and the saga shows as compensating.
   */
  async undo({ store, session }, { memberId, loginId, hold }) {
    const { changed } = await rename(store, session, { memberId, loginId }).catch((error: unknown) => {
      if (!(error instanceof MusubiError)) throw error;
      throw aborted('LOGIN_BUSY', 'the login was taken before it could be given back', { cause: error });
    });
    if (!changed) return;
    const until = new Date(hold?.until ?? 0);
    if (hold && until.getTime() > store.clock.now()) await holdLogin(store, session, { _id: hold.key, memberId, until });
  },
};

async function rename(store: Store, session: ClientSession, to: { memberId: string; loginId: string }) {
  const { memberId, loginId } = to;
  const { hold, others } = await endHold(store, session, to);
  const changed = await changeLogin(store, session, memberId, { loginId, loginKey: loginKey(loginId) }).catch(
    (error: unknown) => {
      throw bindingError(error, to);
    },
  );
  return { hold, others, changed };
}
