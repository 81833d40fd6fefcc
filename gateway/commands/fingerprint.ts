import { createHash } from 'node:crypto';

/**
 * A hash of what a command asks for, by which Job tells a repeat of an Idempotency-Key from another request:
 * the method, the path with its parameters, the conditions and the body, with the keys in one order.
 *
 * Give it no secrets. A hash of a password that is quick to make is quick to guess from, and a slow one would
 * double the cost of every registration for little: a repeat with another password is answered with the job of
 * the first, whose password holds.
 */
export function fingerprint(asked: { method: string; path: string; query?: object; condition?: string; body?: unknown }): string {
  const { method, path, query = {}, condition = '', body = null } = asked;
  const parameters = Object.values(query).some((value) => value !== undefined) ? [canonical(query)] : [];
  return createHash('sha256')
    .update(JSON.stringify([method, path, condition, canonical(body), ...parameters]))
    .digest('base64url');
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, canonical(item)]);
}
