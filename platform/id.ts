import { randomUUIDv7 } from 'node:crypto';

/**
 * A new UUIDv7 (RFC 9562): unique everywhere without asking anybody, and ordered by time,
 * so that rows of one time lie together in an index.
 */
export const newId = (): string => randomUUIDv7();

/** When an ID was made, ms since 1970, by the clock of who made it; undefined for what is no UUIDv7. */
export function timeOfId(id: string): number | undefined {
  return isId(id) && id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** An ID as it is kept, whichever case it was written in; any other text as it is. */
export const sameId = (text: string): string => (isId(text) ? text.toLowerCase() : text);

/** Whether a text has the form of an ID; what has not names nothing. */
export const isId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
