import type { z } from 'zod';
import type { FieldViolation } from '../errors.ts';
import { type FieldCode, isFieldCode } from '../problems.ts';

/**
 * What zod finds, in our words and with our codes. The words follow the name of what is wrong, and say how to mend it:
 * `must be a string`, `is missing`. A schema that knows better says so itself, and names the code of a `refine` by
 * `params: { code }`.
 */

/** What every `safeParse` is to be given whose issues anybody reads. The issues then also hold what was given: it is not to be shown. */
export const PARSING = { error: inWords, reportInput: true } as const satisfies z.core.ParseContext<z.core.$ZodIssue>;

/** The violations of one issue: one, or one for each field that is not known. */
export function violationsOf(issue: z.core.$ZodIssue): FieldViolation[] {
  const field = pathOf(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ field, code: codeOf(issue), message: issue.message }];
  return issue.keys.map((key) => ({ field: pathOf([...issue.path, shortened(key)]), code: 'UNKNOWN', message: issue.message }));
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

function inWords(issue: RawIssue): string {
  if (issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')) return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? `of the type ${issue.expected}`}`;
    case 'invalid_value':
      return issue.values.length === 1 ? `must be ${String(issue.values[0])}` : `must be one of ${issue.values.join(', ')}`;
    case 'invalid_format':
      return FORMATS[issue.format] ?? 'has not the form that it must have';
    case 'too_small':
      return counted(issue.origin) ? atLeast(Number(issue.minimum), issue.origin) : `must be at least ${issue.minimum}`;
    case 'too_big':
      return counted(issue.origin)
        ? `must have at most ${amount(issue.maximum, issue.origin)}`
        : `must be at most ${issue.maximum}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return knownNames(issue.inst);
    case 'invalid_union':
      return 'has none of the forms that it may have';
    default:
      return 'is not valid';
  }
}

const TYPES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const FORMATS: Partial<Record<string, string>> = {
  uuid: 'must be a UUID',
  email: 'must be an e-mail address of ASCII characters',
  datetime: 'must be a time as RFC 3339 has it, as 2026-11-26T08:00:00Z',
  url: 'must be a URL',
};

/** What has a length; all others have a size. */
const COUNTED: Partial<Record<string, [one: string, many: string]>> = {
  string: ['character', 'characters'],
  array: ['item', 'items'],
  set: ['item', 'items'],
  map: ['field', 'fields'],
};
const counted = (origin: string): boolean => COUNTED[origin] !== undefined;

function atLeast(minimum: number, origin: string): string {
  return minimum === 1 ? 'must not be empty' : `must have at least ${amount(minimum, origin)}`;
}

function amount(count: number | bigint, origin: string): string {
  const [one, many] = COUNTED[origin] ?? ['', ''];
  return `${count} ${Number(count) === 1 ? one : many}`;
}

function knownNames(schema: unknown): string {
  const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape;
  const names = Object.keys(shape ?? {});
  return names.length > 0 ? `is not known here; known are ${names.join(', ')}` : 'is not known here; leave it out';
}

function codeOf(issue: z.core.$ZodIssue): FieldCode {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'REQUIRED' : 'WRONG_TYPE';
    case 'invalid_value':
      return issue.input === undefined ? 'REQUIRED' : 'NOT_ONE_OF';
    case 'invalid_format':
      return 'WRONG_FORMAT';
    case 'too_small':
      return counted(issue.origin) ? 'TOO_SHORT' : 'TOO_SMALL';
    case 'too_big':
      return counted(issue.origin) ? 'TOO_LONG' : 'TOO_LARGE';
    case 'custom': {
      const code: unknown = issue.params?.code;
      return typeof code === 'string' && isFieldCode(code) ? code : 'INVALID';
    }
    default:
      return 'INVALID';
  }
}

/** ['policies', 0, 'name'] → `policies[0].name` */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key)),
    '',
  );
}

/** A longer name helps nobody. */
const MAX_NAME = 100;

function shortened(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}
