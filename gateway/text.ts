import { z } from 'zod';

/**
 * A text of `least` to `most` characters. They are counted as JSON Schema counts them, by code points; a text that must be
 * too long by its UTF-16 units alone is not looked at any further.
 */
export function text(least: number, most: number) {
  const tooShort = least === 1 ? 'must not be empty' : `must have at least ${least} characters`;
  const tooLong = `must have at most ${most} characters`;
  return z
    .string()
    .max(2 * most, { error: tooLong, abort: true })
    .refine((value) => [...value].length >= least, { error: tooShort, params: { code: 'TOO_SHORT' } })
    .refine((value) => [...value].length <= most, { error: tooLong, params: { code: 'TOO_LONG' } })
    .meta({ minLength: least, maxLength: most });
}
