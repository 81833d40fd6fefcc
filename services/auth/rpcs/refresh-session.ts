import { Counter } from '@prometheus-io/client';
import { type MusubiError, unauthenticated } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { Origin } from '#proto/musubi/auth/v1/auth.ts';
import type { Auth } from '../auth.ts';
import { idleExpiry, REFRESH_GRACE_MS, type Session, sessionExpiry, USED_TOKENS_KEPT } from '../domain.ts';
import { outcomeOf } from '../outcome.ts';
import { hashToken } from '../refresh-tokens.ts';
import type { Store } from '../store.ts';
import { endSession } from './end-session.ts';
import type { Tokens } from './log-in.ts';

/** As the audit names it. */
const ACTION = 'auth.refresh';

const refreshes = new Counter({
  name: 'musubi_auth_refreshes_total',
  help: 'Refreshes by outcome: ok, or the code of the refusal; REFRESH_TOKEN_REUSED means a token was stolen',
  labelNames: ['outcome'],
  registers: [metrics],
});

/**
 * Exchanges a refresh token for its successor and a new access token (RFC 9700, 4.14.2: rotation).
 * Two calls with the same token within 10 seconds get the same successor; after that the token
 * was stolen by somebody, so the whole session is revoked.
 *
 * @throws REFRESH_TOKEN_INVALID, REFRESH_TOKEN_REUSED, SOCKETS_OPEN
 */
export async function refreshSession(
  auth: Auth,
  token: string,
  { origin, now = new Date(auth.store.clock.now()) }: { origin?: Origin | undefined; now?: Date } = {},
): Promise<Tokens> {
  try {
    const tokens = await exchange(auth, token, { now, origin });
    refreshes.inc({ outcome: 'ok' });
    return tokens;
  } catch (error) {
    refreshes.inc({ outcome: outcomeOf(error) });
    auth.audit.refused(error, { action: ACTION, address: origin?.address ?? '' });
    throw error;
  }
}

async function exchange(auth: Auth, token: string, { now, origin }: Pick<Rotation, 'now' | 'origin'>): Promise<Tokens> {
  const { store, refreshTokens, accessTokens } = auth;
  const parsed = refreshTokens.parse(token);
  if (!parsed) throw invalid();
  const { memberId, sessionId, hash } = parsed;
  const refreshToken = refreshTokens.successor(token);
  const rotation = { memberId, sessionId, hash, successor: hashToken(refreshToken), now, origin };
  // Nearly always the token is good and its session has long to go: one write finds that and replaces it.
  if (!(await replace(store, rotation, 'idle'))) await examine(auth, rotation);
  return { accessToken: await accessTokens.issue({ memberId, sessionId }), refreshToken, memberId };
}

/** A token that is to be replaced. */
interface Rotation {
  memberId: string;
  sessionId: string;
  hash: string;
  /** The hash of its successor. */
  successor: string;
  now: Date;
  /** From where it came. */
  origin: Origin | undefined;
}

/** The same where the session ends soon; and what becomes of a token that is not the good one, or no longer. */
async function examine(auth: Auth, rotation: Rotation): Promise<void> {
  const { store } = auth;
  const { memberId, sessionId, hash, successor, now, origin } = rotation;
  const member = await store.members.findOne(
    { _id: memberId, status: 'active' },
    { projection: { sessions: { $elemMatch: { id: sessionId } } } },
  );
  const session = member?.sessions?.[0];
  if (!session || session.expiresAt <= now) throw invalid();

  if (session.tokenHash === hash) await rotate(store, rotation, session.endsAt);
  else if (session.usedHashes.at(-1) !== hash || !inGrace(session, now) || session.tokenHash !== successor) {
    throw await refuse(auth, { memberId, session, hash, origin });
  }
}

const inGrace = ({ rotatedAt }: Session, now: Date): boolean => now.getTime() - rotatedAt.getTime() <= REFRESH_GRACE_MS;

/**
 * Makes the successor the good token, unless another call with the same token just did.
 *
 * @param end when the session ends however much it is used; `idle`: not before it would end unused
 * @returns whether it did
 */
async function replace(
  store: Store,
  { memberId, sessionId, hash, successor, now }: Rotation,
  end: Date | 'idle',
): Promise<boolean> {
  const unused = idleExpiry(now);
  const lasting = { expiresAt: { $gt: now }, ...(end === 'idle' ? { endsAt: { $gte: unused } } : {}) };
  const { modifiedCount } = await store.members.updateOne(
    { _id: memberId, status: 'active', sessions: { $elemMatch: { id: sessionId, tokenHash: hash, ...lasting } } },
    {
      $set: {
        'sessions.$.tokenHash': successor,
        'sessions.$.rotatedAt': now,
        'sessions.$.lastUsedAt': now,
        'sessions.$.expiresAt': end === 'idle' ? unused : sessionExpiry(now, end),
      },
      $push: { 'sessions.$.usedHashes': { $each: [hash], $slice: -USED_TOKENS_KEPT } },
    },
  );
  return modifiedCount === 1;
}

async function rotate(store: Store, rotation: Rotation, endsAt: Date): Promise<void> {
  if (await replace(store, rotation, endsAt)) return;
  const { memberId, sessionId, successor } = rotation;
  // Lost a race: against the same token, which made the same successor, or against the end of the session.
  // A local read, because the winner's write may not have reached a majority yet.
  const kept = await store.members.findOne(
    { _id: memberId, status: 'active', sessions: { $elemMatch: { id: sessionId, tokenHash: successor } } },
    { projection: { _id: 1 }, readConcern: { level: 'local' } },
  );
  if (!kept) throw invalid();
}

/** A token that was good once means theft: the session ends. Any other is just no token, and harms nobody. */
async function refuse(
  auth: Auth,
  { memberId, session, hash, origin }: Pick<Rotation, 'memberId' | 'hash' | 'origin'> & { session: Session },
): Promise<MusubiError> {
  if (!session.usedHashes.includes(hash)) return invalid();
  const error = unauthenticated(
    'REFRESH_TOKEN_REUSED',
    'this refresh token was used before; its session has ended, log in again',
  );
  const from = await auth.audit.seal(memberId, origin);
  // The member or a thief: nobody knows.
  await endSession(auth, { memberId, sessionId: session.id }, { action: ACTION, outcome: error.code, from });
  return error;
}

const invalid = () => unauthenticated('REFRESH_TOKEN_INVALID', 'this refresh token is not good, or no longer; log in again');
