import { createHash } from 'node:crypto';
import { z } from 'zod';
import { invalidFields } from '../errors.ts';
import { pageToken } from './fields.ts';

/**
 * Where a page of a list ends, for the client to bring when it asks for the next. It is opaque to clients, and only good for the list that it
 * was made for: with another one, or after another filter, it would lead nowhere, and nobody would see that.
 *
 * @param list what tells the list from all others: its name, and what was asked for
 * @param place where the last thing of the page stands
 */
export function toPageToken(list: readonly unknown[], place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([fingerprint(list), ...place])).toString('base64url');
}

/** A time as a part of a place, ms since 1970. */
export const timeInPlace = z.int().min(0).max(8_640_000_000_000_000);

/**
 * @param place what the place of a thing in this list is
 * @returns where the page before has ended; undefined: this is the first
 * @throws PAGE_TOKEN_INVALID
 */
export function fromPageToken<Place>(list: readonly unknown[], token: string, place: z.ZodType<Place>): Place | undefined {
  if (token === '') return undefined;
  const [made, ...parts] = pageToken.safeParse(token).success ? partsOf(token) : [];
  const read = place.safeParse(parts);
  if (made === fingerprint(list) && read.success) return read.data;
  const message = 'must be the nextPageToken of a page of the same query';
  throw invalidFields([{ field: 'pageToken', message }], 'PAGE_TOKEN_INVALID');
}

function partsOf(token: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

const fingerprint = (list: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(list)).digest('base64url').slice(0, 12);
