import { randomUUIDv7 } from 'node:crypto';

/**
 * A new UUIDv7 (RFC 9562): unique everywhere without asking anybody, and ordered by time,
 * so that rows of one time lie together in an index.
 */
export const newId = (): string => randomUUIDv7();

/** An ID as it is kept, whichever case it was written in; any other text as it is. */
export const sameId = (text: string): string => (isId(text) ? text.toLowerCase() : text);

/** Whether a text has the form of an ID; what has not names nothing. */
export const isId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
