import { Ajv2020, type AnySchemaObject, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { type FieldViolation, invalidFields, type MusubiError } from '#platform/errors.ts';
import type { FieldCode } from '#platform/problems.ts';
import { ATTRIBUTE_NAME, type Attributes, boundedSchema } from '#platform/validation/attributes.ts';
import { email, kept } from '#platform/validation/fields.ts';
import { isId } from '#platform/validation/id.ts';

/**
 * The JSON Schema (2020-12) that members' attributes must fit. It is a program that an administrator writes and that runs for
 * every member, so it is of a bounded size, has no references (which can repeat each other without end), and its patterns are
 * those that RE2 matches in linear time.
 */

/** The keywords that are understood, by what their value holds. */
const KEYWORDS: Readonly<Record<string, 'value' | 'schema' | 'schemas' | 'named schemas'>> = {
  ...of('value', '$schema', 'title', 'description', 'default', 'examples', 'deprecated'),
  ...of('value', 'type', 'enum', 'const', 'format', 'pattern', 'minLength', 'maxLength'),
  ...of('value', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'),
  ...of('value', 'minItems', 'maxItems', 'uniqueItems', 'minProperties', 'maxProperties', 'required', 'dependentRequired'),
  ...of('schema', 'items', 'additionalProperties', 'not', 'if', 'then', 'else'),
  ...of('schemas', 'allOf', 'anyOf', 'oneOf'),
  ...of('named schemas', 'properties'),
};

function of<Holds extends string>(holds: Holds, ...keywords: string[]): Record<string, Holds> {
  return Object.fromEntries(keywords.map((keyword) => [keyword, holds]));
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const LONGEST_PATTERN = 200;
/** Of all patterns together: what matching costs grows with them, and with the text. */
const MOST_STATES = 2_000;

/** A schema that is ready to be asked. */
export type Fits = ValidateFunction;

/**
 * The schema in the form in which it is kept.
 * @throws INVALID_MEMBER_SCHEMA that names what it must not have
 */
export function tidySchema(given: unknown): Attributes {
  const { schema = {} } = kept({ schema: boundedSchema }, { schema: given }, 'INVALID_MEMBER_SCHEMA');
  if (schema.type !== 'object') throw wrong('schema.type', 'must be object: attributes are one');
  lookAt(schema, 'schema', { states: 0 });
  compile(schema);
  return schema;
}

/** Finds what is not understood, with where it stands: what compiles the schema would say less. */
function lookAt(schema: unknown, path: string, patterns: { states: number }): void {
  if (typeof schema === 'boolean') return;
  if (!isObject(schema)) throw wrong(path, 'must be a schema: an object, true or false');
  for (const [keyword, value] of Object.entries(schema)) {
    const at = `${path}.${keyword}`;
    const holds = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    if (holds === undefined) throw wrong(at, `is not known here; known are ${Object.keys(KEYWORDS).join(', ')}`, 'UNKNOWN');
    if (keyword === '$schema' && value !== DIALECT) throw wrong(at, `must be ${DIALECT}`, 'NOT_ONE_OF');
    if (keyword === 'pattern') patterns.states += statesOf(value, at);
    if (patterns.states > MOST_STATES)
      throw wrong(at, 'must be simpler: the patterns of the schema are too large together', 'TOO_LARGE');
    if (holds === 'schema') lookAt(value, at, patterns);
    if (holds === 'schemas' && Array.isArray(value)) {
      for (const [index, one] of value.entries()) lookAt(one, `${at}[${index}]`, patterns);
    }
    if (holds === 'named schemas' && isObject(value)) {
      for (const [name, one] of Object.entries(value)) {
        if (!ATTRIBUTE_NAME.test(name)) throw wrong(at, 'must name attributes by a letter and at most 63 letters, digits or _');
        lookAt(one, `${at}.${name}`, patterns);
      }
    }
  }
}

/** The size of a pattern that both kinds of readers understand: RE2, which looks at it here, and ECMA-262, by which clients do. */
function statesOf(pattern: unknown, at: string): number {
  if (typeof pattern !== 'string') throw wrong(at, 'must be a string', 'WRONG_TYPE');
  if (pattern.length > LONGEST_PATTERN) throw wrong(at, `must have at most ${LONGEST_PATTERN} characters`, 'TOO_LONG');
  try {
    new RegExp(pattern, 'u');
    return RE2JS.compile(pattern).programSize();
  } catch {
    throw wrong(at, 'must be a regular expression without look-around and references to groups', 'WRONG_FORMAT');
  }
}

/** What stands in for `RegExp`: its time is linear, so no text makes it take long. */
function matcher(pattern: string) {
  const compiled = RE2JS.compile(pattern);
  // By its text Ajv tells it from others.
  return { test: (text: string): boolean => compiled.matcher(text).find(), toString: () => pattern };
}
// Ajv writes the code of standalone validators with it, of which we have none.
const regExp = Object.assign((pattern: string) => matcher(pattern) as unknown as RegExp, { code: 'matcher' });

/** @throws INVALID_MEMBER_SCHEMA */
function compile(schema: Attributes): Fits {
  const ajv = new Ajv2020({
    strict: true,
    // What is required may be said apart from what it is: in `then`, in `anyOf`.
    strictRequired: false,
    strictTypes: true,
    allErrors: true,
    // What an object inherits is no attribute.
    ownProperties: true,
    code: { regExp },
    formats: FORMATS,
    logger: false,
  });
  try {
    return ajv.compile(schema as AnySchemaObject);
  } catch (error) {
    throw notCompiled(error instanceof Error ? error.message : '');
  }
}

/** What Ajv says of a schema that it does not take, by where it stands and how to mend it. Other words of its are handed on: they are of nothing but the schema. */
function notCompiled(said: string): MusubiError {
  const [, inData, wrongHere] = /schema is invalid: data(\/\S+)? ([^,]+)/.exec(said) ?? [];
  const [, inSchema] = / at (?:path )?"#([^"]*)"/.exec(said) ?? [];
  const at = `schema${(inData ?? inSchema ?? '').replaceAll('/', '.')}`;
  if (wrongHere) return wrong(at, wrongHere.replace('equal to one of the allowed values', 'what JSON Schema knows'));
  const [, types, keyword] = /missing type "([^"]+)" for keyword "([^"]+)"/.exec(said) ?? [];
  if (types && keyword) return wrong(at, `must have the type ${types.replaceAll(',', ' or ')}, as it has ${keyword}`);
  if (said.includes('allowUnionTypes')) return wrong(at, 'must have one type; several stand in anyOf');
  if (said.includes('unknown format')) return wrong(at, `must have a format that is known: ${Object.keys(FORMATS).join(', ')}`);
  const words = said.replace(/^strict mode: /, '').replace(/ at "#.*$/, '');
  return wrong(at, `must be a JSON Schema: ${words.slice(0, 300) || 'it is none'}`);
}

const FORMATS: Record<string, (text: string) => boolean> = {
  date: (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && isDay(text),
  'date-time': (text) => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/.test(text) && isDay(text),
  email: (text) => email.safeParse(text).success,
  // Others follow it: a page that shows it must not run it.
  uri: (text) => /^https?:\/\//i.test(text) && URL.canParse(text),
  uuid: isId,
};

/** That there is such a day: 30 February is none. */
function isDay(text: string): boolean {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10));
}

/** The newest schema that was asked for: every member is held to the same one. */
let newest: { version: number; json: string; fits: Fits } | undefined;

/** A schema that was tidied, ready to be asked; compiled once. */
export function validatorOf({ schema, version }: { schema: Attributes; version: number }): Fits {
  const json = JSON.stringify(schema);
  if (newest?.version !== version || newest.json !== json) newest = { version, json, fits: compile(schema) };
  return newest.fits;
}

/** So many violations are named. */
const NAMED = 20;

/** @throws INVALID_MEMBER that names what does not fit the schema */
export function requireFitting(attributes: Attributes, fits: Fits): void {
  if (fits(attributes)) return;
  const violations = (fits.errors ?? []).filter(({ keyword }) => keyword !== 'if').map(violationOf);
  throw invalidFields(violations.slice(0, NAMED), 'INVALID_MEMBER');
}

const TYPES: Partial<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

const counted = (limit: number, one: string): string => `${limit} ${one}${limit === 1 ? '' : 's'}`;

/** What breaks a keyword, and how to mend it. */
const BREAKS: Partial<Record<string, [code: FieldCode, words: (params: ErrorObject['params']) => string]>> = {
  type: [
    'WRONG_TYPE',
    ({ type }) =>
      `must be ${[type]
        .flat()
        .map((one) => TYPES[one] ?? one)
        .join(' or ')}`,
  ],
  enum: ['NOT_ONE_OF', ({ allowedValues }) => `must be one of ${listed(allowedValues)}`],
  const: ['NOT_ONE_OF', ({ allowedValue }) => `must be ${listed([allowedValue])}`],
  format: ['WRONG_FORMAT', ({ format }) => `must be of the format ${format}`],
  pattern: ['WRONG_FORMAT', ({ pattern }) => `must match ${pattern}`],
  minLength: ['TOO_SHORT', ({ limit }) => `must have at least ${counted(limit, 'character')}`],
  minItems: ['TOO_SHORT', ({ limit }) => `must have at least ${counted(limit, 'item')}`],
  minProperties: ['TOO_SHORT', ({ limit }) => `must have at least ${counted(limit, 'field')}`],
  maxLength: ['TOO_LONG', ({ limit }) => `must have at most ${counted(limit, 'character')}`],
  maxItems: ['TOO_LONG', ({ limit }) => `must have at most ${counted(limit, 'item')}`],
  maxProperties: ['TOO_LONG', ({ limit }) => `must have at most ${counted(limit, 'field')}`],
  minimum: ['TOO_SMALL', ({ limit }) => `must be at least ${limit}`],
  exclusiveMinimum: ['TOO_SMALL', ({ limit }) => `must be more than ${limit}`],
  maximum: ['TOO_LARGE', ({ limit }) => `must be at most ${limit}`],
  exclusiveMaximum: ['TOO_LARGE', ({ limit }) => `must be less than ${limit}`],
  multipleOf: ['INVALID', ({ multipleOf }) => `must be a multiple of ${multipleOf}`],
  uniqueItems: ['INVALID', () => 'must not have an item twice'],
  not: ['INVALID', () => 'must not be what the `not` of the schema describes'],
  anyOf: ['INVALID', () => 'must be what one of the `anyOf` of the schema describes'],
  oneOf: ['INVALID', () => 'must be what exactly one of the `oneOf` of the schema describes'],
  'false schema': ['UNKNOWN', () => 'must be left out'],
};

function violationOf({ keyword, instancePath, params }: ErrorObject): FieldViolation {
  const field = `attributes${instancePath.replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.')}`;
  if (keyword === 'required' || keyword === 'dependentRequired')
    return { field: `${field}.${params.missingProperty}`, code: 'REQUIRED', message: 'is missing' };
  if (keyword === 'additionalProperties')
    return { field: `${field}.${params.additionalProperty}`, code: 'UNKNOWN', message: 'is not known here; leave it out' };
  const [code, words] = BREAKS[keyword] ?? ['INVALID', () => `must fit the \`${keyword}\` of the schema`];
  return { field, code, message: words(params) };
}

const listed = (values: unknown[]): string =>
  values
    .slice(0, 20)
    .map((value) => JSON.stringify(value))
    .join(', ')
    .slice(0, 200);

const isObject = (value: unknown): value is Attributes => typeof value === 'object' && value !== null && !Array.isArray(value);

const wrong = (field: string, message: string, code: FieldCode = 'INVALID') =>
  invalidFields([{ field, code, message }], 'INVALID_MEMBER_SCHEMA');
