import { Counter } from '@prometheus-io/client';
import { callerGone, MusubiError, unauthenticated } from '#platform/errors.ts';
import { transaction } from '#platform/operations/mongo.ts';
import { metrics } from '#platform/process/telemetry.ts';
import { newId } from '#platform/validation/id.ts';
import type { SealedOrigin } from '../audit/event.ts';
import type { Auth } from '../auth.ts';
import {
  loginKey,
  type Member,
  type PasswordHash,
  SESSION_MAX_MS,
  SESSIONS_KEPT,
  type Session,
  sessionExpiry,
  withSource,
} from '../domain.ts';
import type { Turn } from '../hash-queue.ts';
import { outcomeOf } from '../outcome.ts';
import type { Passwords } from '../passwords.ts';
import { hashToken } from '../refresh-tokens.ts';
import { loginSuspended } from '../refusals.ts';
import type { Store } from '../store.ts';
import { type Candidate, candidate, TO_VERIFY, verify } from '../verification.ts';
import { endSessionIn } from './end-session.ts';

/** As the audit names it. */
const ACTION = 'auth.login';

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
    auth.audit.refused(error, { action: ACTION, address: source, subjectId: candidate?.member?._id });
    throw error;
  }
}

async function findCandidate(auth: Auth, { loginId, ...from }: LogIn): Promise<Candidate> {
  const login = loginKey(loginId);
  const member = await auth.store.members.findOne({ loginKey: login }, { projection: TO_VERIFY });
  return candidate(auth, login, member, from);
}

async function openSession(auth: Auth, command: LogIn, candidate: Candidate, signal?: AbortSignal) {
  const { store, passwords, accessTokens, refreshTokens, deviceCookies, addresses } = auth;
  const { password, userAgent, source } = command;
  const verified = await verify(auth, password, candidate, signal);
  if (!verified) throw badCredentials();
  const { member, turn, device } = verified;
  // Only who knows the password may learn it.
  if (member.status === 'suspended') throw loginSuspended();
  if (signal?.aborted) throw callerGone();

  const memberId = member._id;
  const now = new Date(store.clock.now());
  const endsAt = new Date(now.getTime() + SESSION_MAX_MS);
  const id = newId();
  const refreshToken = refreshTokens.first(memberId, id);
  const session: Session = {
    id,
    createdAt: now,
    lastUsedAt: now,
    userAgent: userAgent.slice(0, 256),
    ...(source ? { address: addresses.seal(source, memberId) } : {}),
    expiresAt: sessionExpiry(now, endsAt),
    endsAt,
    tokenHash: hashToken(refreshToken),
    rotatedAt: now,
    usedHashes: [],
  };
  const rehashed = passwords.outdated(member.password) ? await rehash(passwords, password, turn) : undefined;
  const knownSources = withSource(member.knownSources ?? [], candidate.sourceKey, now);
  const changed = {
    ...(rehashed ? { password: rehashed } : {}),
    ...(knownSources === member.knownSources ? {} : { knownSources: [...knownSources] }),
  };
  const from = await auth.audit.seal(memberId, { address: source, client: userAgent });
  if (!(await addSession(auth, member, { session, changed, from }))) throw await changedMeanwhile(store, member);
  const accessToken = await accessTokens.issue({ memberId, sessionId: id });
  // A device that had no guess left gets a new name: whoever used them up can use up none of those.
  return { accessToken, refreshToken, memberId, deviceCookie: deviceCookies.issue(memberId, device) };
}

/** @returns whether it did: a member that was suspended, or whose password was changed meanwhile, gets no session */
async function addSession(
  auth: Auth,
  { _id, password: { hash } }: Pick<Member, '_id' | 'password'>,
  { session, changed, from }: { session: Session; changed: Partial<Member>; from: SealedOrigin | undefined },
): Promise<boolean> {
  const { store, audit } = auth;
  const $set = Object.keys(changed).length > 0 ? { $set: changed } : {};
  const by = { actorId: _id, sessionId: session.id, from };
  // At once with the end of others: a login that fails leaves no session that nobody has the token of.
  return await transaction(store.mongo, async (tx) => {
    const after = await store.members.findOneAndUpdate(
      { _id, status: 'active', 'password.hash': hash },
      { $push: { sessions: { $each: [session], $sort: { lastUsedAt: 1 } } }, ...$set },
      { session: tx, projection: { 'sessions.id': 1 }, returnDocument: 'after' },
    );
    if (!after) return false;
    await audit.note(tx, { ...by, action: ACTION, resources: [{ type: 'Member', id: _id }] });
    // Too many: those that were idle longest end as by a logout, so that their open sockets are closed, too.
    for (const { id: idle } of after.sessions.slice(0, -SESSIONS_KEPT))
      await endSessionIn(auth, tx, { memberId: _id, sessionId: idle }, { ...by, action: 'auth.end-session' });
    return true;
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
