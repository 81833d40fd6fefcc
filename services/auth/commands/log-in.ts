import { randomUUID } from 'node:crypto';
import { Counter } from '@prometheus-io/client';
import { unauthenticated } from '#platform/errors.ts';
import { transaction } from '#platform/operations/mongo.ts';
import { metrics } from '#platform/telemetry.ts';
import type { Auth } from '../auth.ts';
import { loginKey, SESSION_MAX_MS, SESSIONS_KEPT, type Session, sessionExpiry } from '../domain.ts';
import { outcomeOf } from '../outcome.ts';
import { hashToken } from '../refresh-tokens.ts';
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
 * @throws BAD_CREDENTIALS, after the same work, whatever it was that is wrong; TOO_BUSY
 */
export async function logIn(auth: Auth, command: LogIn, signal?: AbortSignal): Promise<Tokens> {
  try {
    const tokens = await openSession(auth, command, signal);
    logins.inc({ outcome: 'ok' });
    return tokens;
  } catch (error) {
    logins.inc({ outcome: outcomeOf(error) });
    throw error;
  }
}

async function openSession(
  { store, passwords, accessTokens, refreshTokens }: Auth,
  command: LogIn,
  signal?: AbortSignal,
): Promise<Tokens> {
  const { loginId, password, userAgent } = command;
  const member = await store.members.findOne({ loginKey: loginKey(loginId) }, { projection: { password: 1, status: 1 } });
  const genuine = await passwords.verify(password, member?.password, signal);
  if (!genuine || member?.status !== 'active') throw badCredentials();

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
  const rehashed = passwords.outdated(member.password) ? await passwords.hash(password, signal) : undefined;
  // At once with the end of others: a login that fails leaves no session that nobody has the token of.
  await transaction(store.mongo, async (tx) => {
    // The condition: a member that was suspended, or whose password was changed meanwhile, gets no session.
    const after = await store.members.findOneAndUpdate(
      { _id: memberId, status: 'active', 'password.hash': member.password.hash },
      {
        $push: { sessions: { $each: [session], $sort: { lastUsedAt: 1 } } },
        ...(rehashed ? { $set: { password: rehashed } } : {}),
      },
      { session: tx, projection: { 'sessions.id': 1 }, returnDocument: 'after' },
    );
    if (!after) throw badCredentials();
    // Too many: those that were idle longest end as by a logout, so that their open sockets are closed, too.
    for (const { id: idle } of after.sessions.slice(0, -SESSIONS_KEPT)) await endSessionIn(store, tx, memberId, idle);
  });
  return { accessToken: await accessTokens.issue({ memberId, sessionId: id }), refreshToken, memberId };
}

const badCredentials = () => unauthenticated('BAD_CREDENTIALS', 'the login or the password is wrong');
