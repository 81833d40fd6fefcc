import { createHash } from 'node:crypto';

/**
 * A hash of what a command asks for, by which Job tells a repeat of an Idempotency-Key from another request:
 * the method, the path, the conditions and the body, with the keys in one order.
 *
 * Secrets are left out. A hash of a password that is quick to make is quick to guess from, and a slow one would
 * double the cost of every registration for little: a repeat with another password is answered with the job of
 * the first, whose password holds.
 */
export function fingerprint(
  asked: { method: string; path: string; condition?: string; body?: unknown },
  secretFields: readonly string[] = [],
): string {
  const { method, path, condition = '', body = null } = asked;
  return createHash('sha256')
    .update(JSON.stringify([method, path, condition, canonical(body, secretFields)]))
    .digest('base64url');
}

function canonical(value: unknown, without: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => canonical(item, without));
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .filter(([key]) => !without.includes(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, canonical(item, without)]);
}
