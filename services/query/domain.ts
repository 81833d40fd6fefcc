import { kept, PAGE_SIZE, searchQuery, pageSize as sizeRule } from '#platform/validation/fields.ts';
import { treeDepth, treePageSize } from '#platform/validation/tree-fields.ts';
import { invalidWait } from './refusals.ts';

/** The form in which texts are compared: full-width and half-width, upper and lower case are the same. */
export const folded = (text: string): string => text.normalize('NFKC').toLowerCase();

/**
 * The words to find, each once; none for an empty query.
 * @throws INVALID_ARGUMENT for more than 200 characters or 10 words
 */
export function searchWords(query: string): string[] {
  kept({ query: searchQuery }, { query: query || undefined });
  // Folded word by word: `¨` is folded to a space and another character, and was one word.
  return [...new Set(query.split(/\s+/).filter(Boolean).map(folded))].sort();
}

/** Begins every word of a text that is searched. */
const WORD_START = '\n';
const asWords = (text: string): string => text.replace(/\s+/g, WORD_START);

/** What words are looked for in: those of these texts, each after {@link WORD_START}. */
export const searchText = (texts: readonly string[]): string => WORD_START + asWords(folded(texts.join(WORD_START)));

/** A LIKE pattern for search texts that contain the word; its special characters stand for themselves. */
export const containing = (word: string): string => `%${asWords(word).replace(/[\\%_]/g, '\\$&')}%`;

/** A LIKE pattern for search texts of which a word begins with this one. */
export const beginning = (word: string): string => `%${WORD_START}${containing(word).slice(1)}`;

/** @throws INVALID_ARGUMENT */
export function requirePageSize(pageSize: number): number {
  kept({ pageSize: sizeRule }, { pageSize });
  return pageSize || PAGE_SIZE.default;
}

/** @throws INVALID_ARGUMENT */
export function requireTreePageSize(pageSize: number): number {
  kept({ pageSize: treePageSize }, { pageSize });
  return pageSize || PAGE_SIZE.default;
}

/** How far below a group others are. @throws INVALID_ARGUMENT */
export function requireDepth(depth: number): number {
  kept({ depth: treeDepth }, { depth });
  return depth || 1;
}

/** How many messages are read at once. @throws INVALID_ARGUMENT */
export function requireLimit(given: number): number {
  kept({ limit: sizeRule.min(1) }, { limit: given });
  return given;
}

/** The longest that AwaitVersions waits. */
const MAX_WAIT_MS = 10_000;

/** @throws INVALID_ARGUMENT */
export function requireWait(waitMs: number): number {
  if (waitMs < 0 || waitMs > MAX_WAIT_MS) throw invalidWait(MAX_WAIT_MS);
  return waitMs;
}
