import { z } from 'zod';
import { type FieldViolation, invalidFields } from '../errors.ts';
import type { CodeOf } from '../problems.ts';
import { unreadable } from './readable.ts';
import { PARSING, violationsOf } from './schema.ts';
import { canonicalTimeZone } from './time-zone.ts';

// What a field may hold, by its kind, whoever takes it: the gateway makes its contract of these schemas, and the services
// hold what they are given to the same. Rules of IDs: id.ts.

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

/** How many characters a name has at most. */
export const LONGEST_NAME = 100;

/** A word by which something is named: an action, a type, a thing of any kind. */
export const name = text(1, LONGEST_NAME);

export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
  .meta({ examples: ['5a1b6c0e-8f3d-4c3b-9a52-0f7e1d2c3b4a'] });

/** How many things a page of a list has. */
export const PAGE_SIZE = { default: 20, most: 100 } as const;

/** The size that a service is asked for: 0, proto3's absent number, stands for the default. */
export const pageSize = z.int().min(0).max(PAGE_SIZE.most);

export const pageToken = z
  .string()
  .regex(/^[\w.~+/=-]{1,1024}$/, 'must be the nextPageToken of an answer')
  .meta({ examples: ['WyJlTkY4b1ciLCLoirHlrZAiXQ'] });

const SPACE = '[^\\S\\x00-\\x1f]';
const WORD = '[^\\s\\x00-\\x1f\\x7f-\\x9f]+';

/** What is searched for: one to ten words with white space between and around them; control characters, also a tab, are none of it. */
export const searchQuery = text(1, 200).regex(
  new RegExp(`^${SPACE}*${WORD}(?:${SPACE}+${WORD}){0,9}${SPACE}*$`),
  'must have 1 to 10 words, and no control characters',
);

export const loginId = z
  .string()
  .regex(/^[A-Za-z0-9._@-]{3,64}$/, 'must have 3 to 64 letters, digits or . _ @ -')
  .meta({ description: 'The name to log in with; upper and lower case are the same', examples: ['hanako'] });

/** JSON can hold half a character, UTF-8 can not. */
export const isWellFormed = (value: string): boolean => value.isWellFormed();
export const WELL_FORMED = 'must be well-formed Unicode';

/** How many characters a password has. */
export const PASSWORD_LENGTH = { least: 8, most: 256 } as const;

export const password = text(PASSWORD_LENGTH.least, PASSWORD_LENGTH.most)
  .refine(isWellFormed, WELL_FORMED)
  .meta({ description: 'Not one of the most common', examples: ['correct horse battery'] });

/** Those that change the direction of a text, and those that are invisible wherever they stand. */
const UNSEEN =
  '\\xad\\u034f\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb';
const CONTROL = `\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029${UNSEEN}`;
/** What of the rule a pattern can say. White space at its ends is left out. Written without `\\p`, which not every reader of JSON Schema knows. */
const LINE = new RegExp(`^[^\\S${CONTROL}]*[^\\s${CONTROL}][^${CONTROL}]*$`, 'u');
const LINE_OR_NOTHING = new RegExp(`^$|${LINE.source}`, 'u');

const READABLE = 'must have characters that are seen, and none that are controls or invisible';
const readable = (text: unknown): string => (typeof text === 'string' && unreadable(text)) || READABLE;
/** A line that others read, of at most so many characters: in normal form C, without the spaces at its ends. */
export const line = (most: number) => lineOf(most, LINE);

/** The same, or nothing. */
export const lineOrNothing = (most: number) => lineOf(most, LINE_OR_NOTHING);

function lineOf(most: number, pattern: RegExp) {
  const isReadable = (text: string): boolean => (text === '' && pattern.test(text)) || unreadable(text) === undefined;
  const tooLong = `must have at most ${most} characters`;
  return (
    z
      .string()
      // Bounded before anything is done with it; in no form of Unicode so many characters have more UTF-16 units.
      .max(4 * most, { error: tooLong, abort: true })
      .regex(pattern, { error: ({ input }) => readable(input), abort: true })
      .refine(isWellFormed, WELL_FORMED)
      .normalize('NFC')
      // With the spaces at its ends, as JSON Schema counts.
      .refine((value) => [...value].length <= most, { error: tooLong, params: { code: 'TOO_LONG' } })
      .trim()
      .refine(isReadable, { error: ({ input }) => readable(input) })
      .meta({ maxLength: most })
  );
}

export const displayName = line(LONGEST_NAME).meta({
  description:
    'As others read it: characters that are invisible, or change the direction of a text, are refused but where they shape the letters or emoji beside them',
  maxLength: LONGEST_NAME,
  examples: ['花子'],
});

/** How many characters a reason for something has at most. */
const LONGEST_REASON = 500;

export const reason = line(LONGEST_REASON);

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

const LOCALE =
  '[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3})){0,3}' +
  '(?:-u(?:-[A-Za-z0-9][A-Za-z](?:-[A-Za-z0-9]{3,8}){0,3}){1,4})?';

/** A language tag (BCP 47) in canonical form: `ja-jp` is kept as `ja-JP`. */
export const locale = z
  .string()
  .regex(new RegExp(`^(?=.{2,64}$)${LOCALE}$`), { error: 'must be a language tag such as ja-JP (BCP 47)', abort: true })
  .refine((tag) => canonicalLocale(tag) !== undefined, {
    error: 'must be a language tag such as ja-JP (BCP 47)',
    params: { code: 'WRONG_FORMAT' },
    abort: true,
  })
  .transform((tag) => canonicalLocale(tag) ?? tag)
  .meta({ description: 'A language tag (BCP 47)', examples: ['ja-JP'] });

function canonicalLocale(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

/** The name of a time zone as IANA has it now: `asia/calcutta` is kept as `Asia/Kolkata`. */
export const timeZone = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/, { error: 'must be the name of a time zone such as Asia/Tokyo (IANA)', abort: true })
  .refine((name) => canonicalTimeZone(name) !== undefined, {
    error: 'must be the name of a time zone such as Asia/Tokyo (IANA)',
    params: { code: 'WRONG_FORMAT' },
    abort: true,
  })
  .transform((name) => canonicalTimeZone(name) ?? name)
  .meta({ description: 'The name of a time zone (IANA)', examples: ['Asia/Tokyo'] });

type Rules = Readonly<Record<string, z.ZodType>>;
type Kept<R extends Rules> = { [F in keyof R]?: z.output<R[F]> | undefined };

/**
 * The given fields in the form in which they are kept; absent ones stay absent.
 *
 * @throws `code` that names every field that breaks its rule
 */
export function kept<R extends Rules>(
  rules: R,
  given: { readonly [F in keyof R]?: unknown },
  code: CodeOf<'INVALID_ARGUMENT'> = 'INVALID_ARGUMENT',
): Kept<R> {
  const fields: Record<string, unknown> = {};
  const wrong: FieldViolation[] = [];
  for (const [field, rule] of Object.entries(rules)) {
    const value = given[field];
    if (value === undefined) continue;
    const parsed = rule.safeParse(value, PARSING);
    if (parsed.success) fields[field] = parsed.data;
    else
      wrong.push(
        ...parsed.error.issues
          .slice(0, 1)
          .flatMap(violationsOf)
          .map((violation) => ({ ...violation, field: within(field, violation.field) })),
      );
  }
  if (wrong.length > 0) throw invalidFields(wrong, code);
  return fields as Kept<R>;
}

/** The path of what stands at a path within a field. */
const within = (field: string, path: string): string => (path === '' || path.startsWith('[') ? field + path : `${field}.${path}`);
