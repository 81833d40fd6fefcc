import { z } from 'zod';
import * as pages from '#platform/validation/page-token.ts';

/** The last thing of a page: the next page begins after it. */
export interface Cursor {
  /** Or another value by which the list is ordered. */
  name: string;
  id: string;
}

/** A page of a list, by name, then ID: `limit` at most of those after `after`. */
export interface Page {
  after: Cursor | undefined;
  limit: number;
}

/** PostgreSQL takes every text but those with NUL. */
export const part = z.string().refine((text) => !text.includes('\0'));
const placeOf = (value: z.ZodType<string>) => z.tuple([value, part]).transform(([name, id]): Cursor => ({ name, id }));

/** @param asked what the list is of, and what was asked for: a page token is good for that and no other */
export const toPageToken = (asked: readonly string[], { name, id }: Cursor): string => pages.toPageToken(asked, [name, id]);

/**
 * @param value what a place's value can be; default: any name
 * @returns undefined for the first page. @throws PAGE_TOKEN_INVALID
 */
export const fromPageToken = (asked: readonly string[], token: string, value: z.ZodType<string> = part): Cursor | undefined =>
  pages.fromPageToken(asked, token, placeOf(value));
