import type { Attempt, Guess } from './attempts.ts';
import type { Auth } from './auth.ts';
import { knowsSource, type Member, siteOf } from './domain.ts';
import type { Turn } from './hash-queue.ts';

/** What must be known of a member whose password is looked at. */
type ToVerify = Pick<Member, '_id' | 'password' | 'status' | 'knownSources'>;
export const TO_VERIFY = { password: 1, status: 1, knownSources: 1 } as const;

/** Somebody who gives a password, before it was looked at. */
export interface Candidate {
  /** Whose password it should be; null: nobody has the login. */
  member: ToVerify | null;
  /** The source, as the member's list of known ones names it. */
  sourceKey: string;
  attempt: Attempt;
}

/** @param login the `loginKey` that is guessed at */
export function candidate(
  { store, deviceCookies, sourceNames }: Auth,
  login: string,
  member: ToVerify | null,
  { source, deviceCookie }: { source: string; deviceCookie: string },
): Candidate {
  const sourceKey = sourceNames.of(member?._id ?? '', source);
  const device = member ? deviceCookies.deviceOf(deviceCookie, member._id) : undefined;
  const known = knowsSource(member?.knownSources ?? [], sourceKey, new Date(store.clock.now()));
  return { member, sourceKey, attempt: { login, source, device, known } };
}

/** Somebody who gave the right password. */
export interface Verified {
  member: ToVerify;
  /** The turn that the hash had, for another one of the same candidate. */
  turn: Turn;
  /** Whose device cookie came with it, unless that has no guess left. */
  device: string | undefined;
}

/**
 * Looks at a password, within the limits on guessing. A wrong one counts, wherever it is given.
 *
 * @returns undefined when it is wrong
 * @throws TOO_MANY_ATTEMPTS without a look; TOO_BUSY, CALLER_GONE
 */
export async function verify(
  { attempts, passwords }: Auth,
  password: string,
  { member, attempt: given }: Candidate,
  signal: AbortSignal | undefined,
): Promise<Verified | undefined> {
  const attempt = await attempts.check(given);
  const turn = turnOf(attempt);
  let guess: Guess | undefined;
  const before = async (): Promise<void> => {
    guess = await attempts.take(attempt);
  };
  const genuine = await passwords.verify(password, member?.password, { turn, signal, before }).catch(async (error: unknown) => {
    await guess?.end(false);
    throw error;
  });
  const isRight = genuine && member !== null && member.status !== 'pending';
  await guess?.end(!isRight);
  return isRight ? { member, turn, device: guess?.attempt.device } : undefined;
}

/**
 * Who has logged in from this device or source before does not wait behind those who have not. Devices take turns by
 * their logins, for a member has as many of them as it likes; sources by the network that they are of.
 */
function turnOf({ login, source, device, known }: Attempt): Turn {
  if (device !== undefined) return ['device', login, device];
  const site = siteOf(source);
  return [known ? 'known' : 'unknown', ...(site === undefined ? [] : [site]), source, login];
}
