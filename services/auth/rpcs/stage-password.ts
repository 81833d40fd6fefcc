import { randomBytes } from 'node:crypto';
import { invalidArgument } from '#platform/errors.ts';
import { passwordViolation, STAGED_PASSWORD_MS } from '../domain.ts';
import type { HashOptions, Passwords } from '../passwords.ts';
import type { Store } from '../store.ts';

/**
 * Hashes a password and keeps the hash for 15 minutes, until the operation that it is for takes it.
 *
 * @returns a reference that may be written anywhere: it is good once, for one binding
 * @throws WEAK_PASSWORD, TOO_BUSY, CALLER_GONE
 */
export async function stagePassword(store: Store, passwords: Passwords, password: string, signal?: AbortSignal): Promise<string> {
  requireGood(password, 'password');
  return await keepStaged(store, passwords, password, { turn: ['registration'], signal });
}

/** @throws WEAK_PASSWORD for what nobody may choose as a password */
export function requireGood(password: string, field: string): void {
  const violation = passwordViolation(password);
  if (!violation) return;
  throw invalidArgument('WEAK_PASSWORD', `the password ${violation.message}`, { fields: [{ field, ...violation }] });
}

/**
 * @param replaces the hash of the password that it is to replace
 * @returns the reference
 */
export async function keepStaged(
  { secrets, clock }: Store,
  passwords: Passwords,
  password: string,
  options: HashOptions,
  replaces?: string,
): Promise<string> {
  const hash = await passwords.hash(password, options);
  const ref = randomBytes(32).toString('base64url');
  const expiresAt = new Date(clock.now() + STAGED_PASSWORD_MS);
  await secrets.insertOne({ _id: ref, password: hash, ...(replaces === undefined ? {} : { replaces }), expiresAt });
  return ref;
}
