import { randomBytes } from 'node:crypto';
import { invalidArgument } from '#platform/errors.ts';
import { passwordViolation, STAGED_PASSWORD_MS } from '../domain.ts';
import type { Passwords } from '../passwords.ts';
import type { Store } from '../store.ts';

/**
 * Hashes a password and keeps the hash for 15 minutes, until the operation that it is for takes it.
 *
 * @returns a reference that may be written anywhere: it is good once, for one binding
 * @throws WEAK_PASSWORD, TOO_BUSY, CALLER_GONE
 */
export async function stagePassword(store: Store, passwords: Passwords, password: string, signal?: AbortSignal): Promise<string> {
  const violation = passwordViolation(password);
  if (violation)
    throw invalidArgument('WEAK_PASSWORD', `the password ${violation.message}`, {
      fields: [{ field: 'password', ...violation }],
    });
  const hash = await passwords.hash(password, { turn: ['registration'], signal });
  const ref = randomBytes(32).toString('base64url');
  await store.secrets.insertOne({ _id: ref, password: hash, expiresAt: new Date(store.clock.now() + STAGED_PASSWORD_MS) });
  return ref;
}
