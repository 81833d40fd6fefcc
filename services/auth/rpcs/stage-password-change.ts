import { callerGone, invalidArgument, permissionDenied } from '#platform/errors.ts';
import type { StagePasswordChangeRequest } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate } from '../access.ts';
import type { Auth } from '../auth.ts';
import { normalizePassword } from '../domain.ts';
import { outcomeOf } from '../outcome.ts';
import { loginSuspended, sessionRevoked } from '../refusals.ts';
import { candidate, TO_VERIFY, verify } from '../verification.ts';
import { keepStaged, requireGood } from './stage-password.ts';

/**
 * Stages a member's new password, once it has given its current one: who has only its token gets no further, and has as
 * many guesses as who tries to log in.
 *
 * @returns a reference that is good for one change, of the password that was looked at
 * @throws as `authenticate`; WEAK_PASSWORD, PASSWORD_UNCHANGED, CURRENT_PASSWORD_WRONG, LOGIN_SUSPENDED, TOO_MANY_ATTEMPTS,
 *   TOO_BUSY, CALLER_GONE
 */
export async function stagePasswordChange(
  auth: Auth,
  request: StagePasswordChangeRequest,
  signal?: AbortSignal,
): Promise<string> {
  const { accessToken, currentPassword, newPassword, source } = request;
  const { memberId } = await authenticate(auth, accessToken, signal);
  requireGood(newPassword, 'newPassword');
  if (normalizePassword(currentPassword) === normalizePassword(newPassword)) throw unchanged();
  try {
    const ref = await stage(auth, memberId, request, signal);
    auth.log.info({ source, memberId, outcome: 'ok' }, 'new password staged');
    return ref;
  } catch (error) {
    auth.log.info({ source, memberId, outcome: outcomeOf(error) }, 'new password refused');
    auth.audit.refused(error, { action: 'auth.change-password', address: source, actorId: memberId });
    throw error;
  }
}

async function stage(
  auth: Auth,
  memberId: string,
  { currentPassword, newPassword, ...from }: StagePasswordChangeRequest,
  signal?: AbortSignal,
): Promise<string> {
  const { store, passwords } = auth;
  const found = await store.members.findOne({ _id: memberId }, { projection: { ...TO_VERIFY, loginKey: 1 } });
  if (!found) throw sessionRevoked();
  const verified = await verify(auth, currentPassword, candidate(auth, found.loginKey, found, from), signal);
  if (!verified) throw wrong();
  const { member, turn } = verified;
  if (member.status === 'suspended') throw loginSuspended();
  if (signal?.aborted) throw callerGone();
  return await keepStaged(store, passwords, newPassword, { turn, signal }, member.password.hash);
}

const wrong = () =>
  permissionDenied('CURRENT_PASSWORD_WRONG', undefined, {
    fields: [{ field: 'currentPassword', message: 'is not the password' }],
  });

const unchanged = () =>
  invalidArgument('PASSWORD_UNCHANGED', undefined, {
    fields: [{ field: 'newPassword', message: 'must be another than the current one' }],
  });
