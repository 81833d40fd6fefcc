import { z } from 'zod';
import { isReadable } from '#platform/readable.ts';
import { text } from './text.ts';

/** The fields of a member as clients give them. Member has the same rules (services/member/domain.ts), and a test holds both to it. */

export const loginId = z
  .string()
  .regex(/^[A-Za-z0-9._@-]{3,64}$/, 'must have 3 to 64 letters, digits or . _ @ -')
  .meta({ description: 'The name to log in with; upper and lower case are the same', examples: ['hanako'] });

/** JSON can hold half a character, UTF-8 can not. */
const isWellFormed = (value: string): boolean => value.isWellFormed();
const WELL_FORMED = 'must be well-formed Unicode';

export const password = text(8, 256)
  .refine(isWellFormed, WELL_FORMED)
  .meta({ description: 'Not one of the most common', examples: ['correct horse battery'] });

/** Those that change the direction of a text, and those that are invisible wherever they stand. */
const UNSEEN =
  '\\xad\\u034f\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb';
const CONTROL = `\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029${UNSEEN}`;
/** What of the rule a pattern can say. White space at its ends is left out. Written without `\\p`, which not every reader of JSON Schema knows. */
const LINE = new RegExp(`^[^\\S${CONTROL}]*[^\\s${CONTROL}][^${CONTROL}]*$`, 'u');

const READABLE = 'must have characters that are seen, and none that are controls or invisible';

/** A line that others read, of at most so many characters: in normal form C, without the spaces at its ends. */
export function line(most: number) {
  const tooLong = `must have at most ${most} characters`;
  return (
    z
      .string()
      // Bounded before anything is done with it; in no form of Unicode so many characters have more UTF-16 units.
      .max(4 * most, { error: tooLong, abort: true })
      .regex(LINE, { error: READABLE, abort: true })
      .refine(isWellFormed, WELL_FORMED)
      .normalize('NFC')
      // With the spaces at its ends, as JSON Schema counts.
      .refine((text) => [...text].length <= most, { error: tooLong, params: { code: 'TOO_LONG' } })
      .trim()
      .refine(isReadable, READABLE)
      .meta({ maxLength: most })
  );
}

export const displayName = line(100).meta({
  description:
    'As others read it: characters that are invisible, or change the direction of a text, are refused but where they shape the letters or emoji beside them',
  maxLength: 100,
  examples: ['花子'],
});

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** RFC 5321 without quoted names and address literals, at a domain of two labels or more: nobody's mail is at `a@b`. */
export const email = z
  .email({
    // Its length is looked at first.
    pattern: new RegExp(`^(?=.{1,254}$)(?=[^@]{1,64}@)${ATEXT}(?:\\.${ATEXT})*@${LABEL}(?:\\.${LABEL})+$`),
  })
  .max(254)
  .meta({ examples: ['hanako@example.com'] });
