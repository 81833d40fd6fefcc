import type { ClientSession } from 'mongodb';
import { LOGIN_HELD_MS, LOGINS_HELD, loginKey } from './domain.ts';
import { loginTaken, tooManyRenames } from './refusals.ts';
import type { HeldLogin, Store } from './store.ts';

/**
 * Lets a member take a name, if it is not held for another; a hold of its own ends.
 * A name always is somebody's login, held, or free, and this reads in the transaction that then takes it. So
 * whoever read before the name was given up finds it in the unique index, and whoever read after that finds the hold.
 *
 * @returns the hold that ended, for an undo; and the others that the member has
 * @throws LOGIN_TAKEN
 */
export async function endHold(
  store: Store,
  session: ClientSession,
  { memberId, loginId }: { memberId: string; loginId: string },
): Promise<{ hold: HeldLogin | undefined; others: HeldLogin[] }> {
  const key = loginKey(loginId);
  const found = await store.heldLogins.find({ $or: [{ _id: key }, { memberId }] }, { session }).toArray();
  const hold = found.find(({ _id }) => _id === key);
  if (hold && hold.memberId !== memberId) throw loginTaken();
  if (hold) await store.heldLogins.deleteOne({ _id: key }, { session });
  return { hold, others: found.filter(({ _id }) => _id !== key) };
}

/**
 * Refuses to hold one name more than a member may have held. None of those that are held is given up for it: an undo
 * may need it. They are read in the transaction that changes the member, so no two renames count at once.
 *
 * @throws TOO_MANY_RENAMES
 */
export function checkHolds({ clock }: Store, holds: readonly HeldLogin[]): void {
  const now = clock.now();
  const lasting = holds.map(({ until }) => until).filter((until) => until.getTime() > now);
  const [next] = lasting.sort((a, b) => a.getTime() - b.getTime()).slice(-LOGINS_HELD);
  if (next && lasting.length >= LOGINS_HELD) throw tooManyRenames(next);
}

/** Holds the name that a member gives up in this transaction. */
export async function holdLogin(
  store: Store,
  session: ClientSession,
  { _id, memberId, until = new Date(store.clock.now() + LOGIN_HELD_MS) }: Omit<HeldLogin, 'until'> & { until?: Date },
): Promise<void> {
  await store.heldLogins.replaceOne({ _id }, { memberId, until }, { session, upsert: true });
}

/** Frees every name that is held for a member. */
export async function freeHeldLogins(store: Store, session: ClientSession, memberId: string): Promise<void> {
  await store.heldLogins.deleteMany({ memberId }, { session });
}
