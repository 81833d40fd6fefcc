import { randomUUID } from 'node:crypto';
import { Counter } from '@prometheus-io/client';
import { callerGone, MusubiError, unauthenticated } from '#platform/errors.ts';
import { transaction } from '#platform/operations/mongo.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { Attempt, Guess } from '../attempts.ts';
import type { Auth } from '../auth.ts';
import {
  knowsSource,
  loginKey,
  type Member,
  type PasswordHash,
  SESSION_MAX_MS,
  SESSIONS_KEPT,
  type Session,
  sessionExpiry,
  siteOf,
  withSource,
} from '../domain.ts';
import type { Turn } from '../hash-queue.ts';
import { outcomeOf } from '../outcome.ts';
import type { Passwords } from '../passwords.ts';
import { hashToken } from '../refresh-tokens.ts';
import { loginSuspended } from '../refusals.ts';
import type { Store } from '../store.ts';
import { endSessionIn } from './log-out.ts';

const logins = new Counter({
  name: 'musubi_auth_logins_total',
  help: 'Logins by outcome: ok, or the code of the refusal',
  labelNames: ['outcome'],
  registers: [metrics],
});

export interface LogIn {
  loginId: string;
  password: string;
  /** For the list of sessions; the first 256 characters are kept. */
  userAgent: string;
  /** Where the client is: an address, or the network that is one client's. */
  source: string;
  /** Empty: none. */
  deviceCookie: string;
}

/** What a login or a refresh gives. */
export interface Tokens {
  accessToken: string;
  refreshToken: string;
  memberId: string;
}

/** What Auth knows of somebody who logs in, before the password was looked at. */
interface Candidate {
  member: Pick<Member, '_id' | 'password' | 'status' | 'knownSources'> | null;
  /** The source, as the member's list of known ones names it. */
  sourceKey: string;
  attempt: Attempt;
}

/**
 * Logs a member in: a new session.
 *
 * @returns the tokens, and a device cookie for the next login
 * @throws BAD_CREDENTIALS, after the same work, whichever of the two is wrong; LOGIN_SUSPENDED after that work, when
 *   nothing is wrong; TOO_MANY_ATTEMPTS without it; TOO_BUSY, CALLER_GONE
 */
export async function logIn(auth: Auth, command: LogIn, signal?: AbortSignal): Promise<Tokens & { deviceCookie: string }> {
  const { source } = command;
  let candidate: Candidate | undefined;
  // What was typed as a login may be a password in the wrong field, so it is never logged: who knows the key can try a text.
  const who = () => ({ source, login: auth.loginNames.of(loginKey(command.loginId)), memberId: candidate?.member?._id });
  try {
    candidate = await findCandidate(auth, command);
    const tokens = await openSession(auth, command, candidate, signal);
    logins.inc({ outcome: 'ok' });
    auth.log.info({ ...who(), outcome: 'ok' }, 'login');
    return tokens;
  } catch (error) {
    const outcome = outcomeOf(error);
    logins.inc({ outcome });
    auth.log.info({ ...who(), outcome }, 'login refused');
    throw error;
  }
}

async function findCandidate({ store, deviceCookies, sourceNames }: Auth, command: LogIn): Promise<Candidate> {
  const login = loginKey(command.loginId);
  const { source, deviceCookie } = command;
  const projection = { password: 1, status: 1, knownSources: 1 };
  const member = await store.members.findOne({ loginKey: login }, { projection });
  const sourceKey = sourceNames.of(member?._id ?? '', source);
  const device = member ? deviceCookies.deviceOf(deviceCookie, member._id) : undefined;
  const known = knowsSource(member?.knownSources ?? [], sourceKey, new Date(store.clock.now()));
  return { member, sourceKey, attempt: { login, source, device, known } };
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

async function openSession(auth: Auth, command: LogIn, { member, sourceKey, ...given }: Candidate, signal?: AbortSignal) {
  const { store, passwords, accessTokens, refreshTokens, deviceCookies, attempts } = auth;
  const { password, userAgent } = command;
  const attempt = await attempts.check(given.attempt);
  const turn = turnOf(attempt);
  let guess: Guess | undefined;
  const before = async (): Promise<void> => {
    guess = await attempts.take(attempt);
  };
  const genuine = await passwords.verify(password, member?.password, { turn, signal, before }).catch(async (error: unknown) => {
    await guess?.end(false);
    throw error;
  });
  const isWrong = !genuine || !member || member.status === 'pending';
  await guess?.end(isWrong);
  if (isWrong) throw badCredentials();
  // Only who knows the password may learn it.
  if (member.status === 'suspended') throw loginSuspended();
  if (signal?.aborted) throw callerGone();

  const memberId = member._id;
  const now = new Date(store.clock.now());
  const endsAt = new Date(now.getTime() + SESSION_MAX_MS);
  const id = randomUUID();
  const refreshToken = refreshTokens.first(memberId, id);
  const session: Session = {
    id,
    createdAt: now,
    lastUsedAt: now,
    userAgent: userAgent.slice(0, 256),
    expiresAt: sessionExpiry(now, endsAt),
    endsAt,
    tokenHash: hashToken(refreshToken),
    rotatedAt: now,
    usedHashes: [],
  };
  const rehashed = passwords.outdated(member.password) ? await rehash(passwords, password, turn) : undefined;
  const knownSources = withSource(member.knownSources ?? [], sourceKey, now);
  const changed = {
    ...(rehashed ? { password: rehashed } : {}),
    ...(knownSources === member.knownSources ? {} : { knownSources: [...knownSources] }),
  };
  if (!(await addSession(store, member, session, changed))) throw await changedMeanwhile(store, member);
  const accessToken = await accessTokens.issue({ memberId, sessionId: id });
  // A device that had no guess left gets a new name: whoever used them up can use up none of those.
  return { accessToken, refreshToken, memberId, deviceCookie: deviceCookies.issue(memberId, guess?.attempt.device) };
}

/** @returns whether it did: a member that was suspended, or whose password was changed meanwhile, gets no session */
async function addSession(
  store: Store,
  { _id, password: { hash } }: Pick<Member, '_id' | 'password'>,
  session: Session,
  changed: Partial<Member>,
): Promise<boolean> {
  const unchanged = { _id, status: 'active', 'password.hash': hash } as const;
  const $set = Object.keys(changed).length > 0 ? { $set: changed } : {};
  // While there is room, no other session ends and there is no event: no transaction is needed.
  const room = { [`sessions.${SESSIONS_KEPT - 1}`]: { $exists: false } };
  const added = await store.members.updateOne({ ...unchanged, ...room }, { $push: { sessions: session }, ...$set });
  if (added.matchedCount === 1) return true;
  // At once with the end of others: a login that fails leaves no session that nobody has the token of.
  return await transaction(store.mongo, async (tx) => {
    const after = await store.members.findOneAndUpdate(
      unchanged,
      { $push: { sessions: { $each: [session], $sort: { lastUsedAt: 1 } } }, ...$set },
      { session: tx, projection: { 'sessions.id': 1 }, returnDocument: 'after' },
    );
    // Too many: those that were idle longest end as by a logout, so that their open sockets are closed, too.
    for (const { id: idle } of after?.sessions.slice(0, -SESSIONS_KEPT) ?? []) await endSessionIn(store, tx, _id, idle);
    return after !== null;
  });
}

/** What a login that was right a moment ago is refused with: its password was changed, or its login was closed. */
async function changedMeanwhile(
  { members }: Store,
  { _id, password: { hash } }: Pick<Member, '_id' | 'password'>,
): Promise<MusubiError> {
  const closed = await members.findOne({ _id, status: 'suspended', 'password.hash': hash }, { projection: { _id: 1 } });
  return closed ? loginSuspended() : badCredentials();
}

/** The hash at today's cost; undefined when too many wait: the next login makes it. */
async function rehash(passwords: Passwords, password: string, turn: Turn): Promise<PasswordHash | undefined> {
  try {
    return await passwords.hash(password, { turn });
  } catch (error) {
    if (error instanceof MusubiError && error.retryable) return undefined;
    throw error;
  }
}

const badCredentials = () => unauthenticated('BAD_CREDENTIALS');
