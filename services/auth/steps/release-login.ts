import type { ReleaseLoginRequest, ReleaseLoginResponse } from '#proto/musubi/auth/v1/auth.ts';
import { type KeptHold, keptHold } from '../held-logins.ts';
import { holdNotFound } from '../refusals.ts';
import type { AuthStep } from '../store.ts';

/**
 * Frees a name that is held, for whoever takes it next. (Should the rename that gave it up be undone after that, it waits until
 * nobody has the name.)
 *
 * @throws HOLD_NOT_FOUND
 */
export const releaseLogin: AuthStep<ReleaseLoginRequest, ReleaseLoginResponse, KeptHold> = {
  takesAway: false,
  async do({ store: { heldLogins }, session }, { holdId }) {
    const hold = await heldLogins.collection.findOneAndDelete({ _id: holdId }, { session });
    if (!hold) throw holdNotFound();
    return { result: {}, kept: keptHold(hold), keptOf: hold.memberId };
  },
  /** Holds it again, unless another hold of the name has come meanwhile. */
  async undo({ store: { heldLogins }, session }, kept) {
    const newer = await heldLogins.collection.findOne({ _id: kept._id }, { session, projection: { _id: 1 } });
    if (!newer) await heldLogins.putBack(session, kept);
  },
};
