import { createHash, randomUUIDv7 } from 'node:crypto';
import { z } from 'zod';
import { type FieldViolation, invalidFields } from '../errors.ts';

/**
 * A new UUIDv7 (RFC 9562): unique everywhere without asking anybody, and ordered by time,
 * so that rows of one time lie together in an index.
 */
export const newId = (): string => randomUUIDv7();

/**
 * The ID of what is one thing, whoever makes it: a UUID of version 8 (RFC 9562), made of a text.
 *
 * @param text what makes it one, beginning with what kind of thing it is: `musubi/positions/…`
 */
export function idMadeOf(text: string): string {
  const bits = createHash('sha256').update(text).digest().subarray(0, 16);
  bits[6] = ((bits[6] ?? 0) & 0x0f) | 0x80;
  bits[8] = ((bits[8] ?? 0) & 0x3f) | 0x80;
  return bits.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** When an ID was made, ms since 1970, by the clock of who made it; undefined for what is no UUIDv7. */
export function timeOfId(id: string): number | undefined {
  return isId(id) && id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** An ID as it is kept, whichever case it was written in; any other text as it is. */
export const sameId = (text: string): string => (isId(text) ? text.toLowerCase() : text);

const FORM = z.regexes.uuid();

/** Whether a text has the form of an ID, a UUID (RFC 9562) in either case; what has not names nothing. */
export const isId = (text: string): boolean => FORM.test(text);

/** Why a text is no ID as it is kept and as services tell it each other, in lower case; undefined if it is one. */
export function idViolation(id: string): Omit<FieldViolation, 'field'> | undefined {
  if (id === '') return { code: 'REQUIRED', message: 'is missing' };
  return isId(id) && id === id.toLowerCase() ? undefined : { code: 'WRONG_FORMAT', message: 'must be a UUID in lower case' };
}

/** @throws INVALID_ARGUMENT unless the field holds an ID as it is kept */
export function requireId(field: string, id: string): string {
  const violation = idViolation(id);
  if (violation) throw invalidFields([{ field, ...violation }]);
  return id;
}

/** The job that an operation belongs to: the operations of a saga are named `${jobId}/${step}`. */
export const jobOf = (operationId: string): string => operationId.split('/', 1)[0] ?? operationId;

/** In the place of a member's ID: who asks is the system itself. */
export const SYSTEM = 'system';
