import { createHash } from 'node:crypto';
import { kept, PAGE_SIZE, pageToken, searchQuery, pageSize as sizeRule } from '#platform/validation/fields.ts';
import { invalidPageToken, invalidWait } from './refusals.ts';

/** The last member of a page: the next page begins after it. */
export interface Cursor {
  displayName: string;
  memberId: string;
}

/** The form in which texts are compared: full-width and half-width, upper and lower case are the same. */
export const foldText = (text: string): string => text.normalize('NFKC').toLowerCase();

/**
 * The words to find, each once; none for an empty query.
 * @throws INVALID_ARGUMENT for more than 200 characters or 10 words
 */
export function searchWords(query: string): string[] {
  kept({ query: searchQuery }, { query: query || undefined });
  // Folded word by word: `¨` is folded to a space and another character, and was one word.
  return [...new Set(query.split(/\s+/).filter(Boolean).map(foldText))].sort();
}

/** A LIKE pattern for texts that contain the word; its special characters stand for themselves. */
export const containing = (word: string): string => `%${word.replace(/[\\%_]/g, '\\$&')}%`;

/** @throws INVALID_ARGUMENT */
export function requirePageSize(pageSize: number): number {
  kept({ pageSize: sizeRule }, { pageSize });
  return pageSize || PAGE_SIZE.default;
}

/** The longest that AwaitVersions waits. */
const MAX_WAIT_MS = 10_000;

/** @throws INVALID_ARGUMENT */
export function requireWait(waitMs: number): number {
  if (waitMs < 0 || waitMs > MAX_WAIT_MS) throw invalidWait(MAX_WAIT_MS);
  return waitMs;
}

/** A page token is opaque to clients, and only good for the words that it was made for. */
export function toPageToken(words: readonly string[], { displayName, memberId }: Cursor): string {
  return Buffer.from(JSON.stringify([fingerprint(words), displayName, memberId])).toString('base64url');
}

/** @throws PAGE_TOKEN_INVALID */
export function fromPageToken(words: readonly string[], token: string): Cursor {
  let parts: unknown;
  if (!pageToken.safeParse(token).success) throw invalidPageToken();
  try {
    parts = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw invalidPageToken();
  }
  if (!Array.isArray(parts) || parts.length !== 3) throw invalidPageToken();
  const [made, displayName, memberId]: unknown[] = parts;
  if (made !== fingerprint(words) || typeof displayName !== 'string' || typeof memberId !== 'string') throw invalidPageToken();
  if (displayName.includes('\0') || memberId.includes('\0')) throw invalidPageToken();
  return { displayName, memberId };
}

const fingerprint = (words: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(words)).digest('base64url').slice(0, 12);
