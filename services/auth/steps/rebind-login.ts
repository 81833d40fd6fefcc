import type { ClientSession } from 'mongodb';
import { aborted, MusubiError } from '#platform/errors.ts';
import type { RebindLoginRequest, RebindLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { loginKey } from '../domain.ts';
import { type KeptHold, keptHold } from '../held-logins.ts';
import { loginNotFound } from '../refusals.ts';
import { type AuthStep, changeLogin, type Store } from '../store.ts';
import { bindingError, checkBinding } from './bind-login.ts';

interface Before {
  memberId: string;
  loginId: string;
  /** The hold that the new name was under, for this member. */
  hold?: KeptHold | undefined;
  /** When its bucket of renames was full; absent: it was. */
  renamesFullAt?: string | undefined;
}

/**
 * Changes the name that a member logs in by. Its sessions stay.
 *
 * The former name is held for the member: no other member can bind it, and the member may take it back. So an undo
 * can always put the name back, and nobody can slip into a name by which others still know the member.
 * A name that differs in case only is the same name: nothing is held. Few names are held at a time, and after a few renames
 * the next ones must wait.
 *
 * @throws LOGIN_NOT_FOUND, LOGIN_TAKEN (also while it is held for another), TOO_MANY_RENAMES, RENAMED_TOO_OFTEN
 */
export const rebindLogin: AuthStep<RebindLoginRequest, RebindLoginResponse, Before> = {
  takesAway: false,
  async do({ store, session }, request) {
    checkBinding(request);
    const { memberId, loginId } = request;
    const { heldLogins, members } = store;
    const member = await members.findOne({ _id: memberId }, { session, projection: { renamesFullAt: 1 } });
    if (!member) throw loginNotFound();
    const renamesFullAt = heldLogins.takeRename(member.renamesFullAt);
    const { changed, hold, others } = await rename(store, session, { ...request, renamesFullAt });
    if (!changed) throw loginNotFound();
    const former = changed.before.loginId;
    if (loginKey(former) !== loginKey(loginId)) {
      heldLogins.check(others);
      await heldLogins.hold(session, { memberId, loginId: former });
    }
    const kept: Before = {
      memberId,
      loginId: former,
      ...(hold ? { hold: keptHold(hold) } : {}),
      ...(member.renamesFullAt ? { renamesFullAt: member.renamesFullAt.toISOString() } : {}),
    };
    return { result: {}, kept, keptOf: memberId };
  },
  /**
   * Gives back the name of before, and the hold of the new name if it was held for the member; the hold of the former
   * name ends. Only an undo that comes after the hold has lapsed, or was released, can find the name taken: it is tried on until it
   * is free again, and the saga shows as compensating.
   */
  async undo({ store, session }, { memberId, loginId, hold, renamesFullAt }) {
    const before = { memberId, loginId, renamesFullAt: renamesFullAt === undefined ? undefined : new Date(renamesFullAt) };
    const { changed } = await rename(store, session, before).catch((error: unknown) => {
      if (!(error instanceof MusubiError)) throw error;
      throw aborted('LOGIN_BUSY', 'the login was taken before it could be given back', { cause: error });
    });
    // That of an earlier release has no ID, and does not last any more.
    if (changed && hold?._id) await store.heldLogins.putBack(session, hold);
  },
};

async function rename(
  store: Store,
  session: ClientSession,
  to: { memberId: string; loginId: string; renamesFullAt: Date | undefined },
) {
  const { memberId, loginId, renamesFullAt } = to;
  const { hold, others } = await store.heldLogins.end(session, to);
  const changed = await changeLogin(store, session, memberId, { loginId, loginKey: loginKey(loginId), renamesFullAt }).catch(
    (error: unknown) => {
      throw bindingError(error, to);
    },
  );
  return { hold, others, changed };
}
