import { createHash } from 'node:crypto';
import { invalidPage, invalidPageToken, invalidQuery, invalidWait } from './refusals.ts';

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
  // Characters have one or two UTF-16 units. NUL is the one that PostgreSQL's texts can't hold.
  if (query.length > 400 || [...query].length > 200 || query.includes('\0')) throw invalidQuery();
  // Folded word by word: `¨` is folded to a space and another character, and was one word.
  const words = [...new Set(query.split(/\s+/).filter(Boolean).map(foldText))].sort();
  if (words.length > 10) throw invalidQuery();
  return words;
}

/** A LIKE pattern for texts that contain the word; its special characters stand for themselves. */
export const containing = (word: string): string => `%${word.replace(/[\\%_]/g, '\\$&')}%`;

/** @throws INVALID_ARGUMENT */
export function requirePageSize(pageSize: number): number {
  if (pageSize < 0 || pageSize > 100) throw invalidPage();
  return pageSize || 20;
}

/** The longest that AwaitVersions waits, in milliseconds. */
const LONGEST_WAIT = 10_000;

/** @throws INVALID_ARGUMENT */
export function requireWait(waitMs: number): number {
  if (waitMs < 0 || waitMs > LONGEST_WAIT) throw invalidWait(LONGEST_WAIT);
  return waitMs;
}

/** A page token is opaque to clients, and only good for the words that it was made for. */
export function toPageToken(words: readonly string[], { displayName, memberId }: Cursor): string {
  return Buffer.from(JSON.stringify([fingerprint(words), displayName, memberId])).toString('base64url');
}

/** The longest that a page token can be: of a display name of 100 characters. */
const LONGEST_TOKEN = 1_024;

/** @throws PAGE_TOKEN_INVALID */
export function fromPageToken(words: readonly string[], token: string): Cursor {
  let parts: unknown;
  if (token.length > LONGEST_TOKEN) throw invalidPageToken();
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
