import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { requireFitting, tidySchema, validatorOf } from './member-schema.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    department: { type: 'string', enum: ['R&D', 'Sales'] },
    employee: { type: 'string', pattern: '^E[0-9]{4}$' },
    floor: { type: 'integer', minimum: 1, maximum: 40 },
    skills: { type: 'array', items: { type: 'string', maxLength: 10 }, maxItems: 3 },
    page: { type: 'string', format: 'uri' },
    since: { type: 'string', format: 'date' },
    seat: { type: 'object', properties: { row: { type: 'integer' } }, required: ['row'], additionalProperties: false },
  },
  required: ['department'],
  additionalProperties: false,
};

let version = 0;
const faults = (schema: object, value: Record<string, unknown>): string[] => {
  try {
    requireFitting(value, validatorOf({ schema: tidySchema(schema), version: ++version }));
    return [];
  } catch (error) {
    const { code, fields } = error as MusubiError;
    return [code, ...fields.map((each) => `${each.field} ${each.code}`)];
  }
};

test('attributes that fit are taken; of others each that does not is named', (t) => {
  const good = { department: 'R&D', employee: 'E0001', floor: 3, skills: ['go'], page: 'https://a.example', since: '2026-02-28' };
  t.deepEqual(faults(SCHEMA, good), []);
  t.deepEqual(faults(SCHEMA, { ...good, seat: { row: 1 } }), []);
  const bad = {
    employee: 'x',
    floor: 41,
    skills: ['a', 1, 'c', 'd'],
    other: 1,
    page: 'javascript:alert(1)',
    since: '2026-02-30',
  };
  t.deepEqual(faults(SCHEMA, { ...bad, seat: { col: 1 } }).sort(), [
    'INVALID_MEMBER',
    'attributes.department REQUIRED',
    'attributes.employee WRONG_FORMAT',
    'attributes.floor TOO_LARGE',
    'attributes.other UNKNOWN',
    'attributes.page WRONG_FORMAT',
    'attributes.seat.col UNKNOWN',
    'attributes.seat.row REQUIRED',
    'attributes.since WRONG_FORMAT',
    'attributes.skills TOO_LONG',
    'attributes.skills[1] WRONG_TYPE',
  ]);
  t.deepEqual(faults(SCHEMA, { department: 'Production' }), ['INVALID_MEMBER', 'attributes.department NOT_ONE_OF']);
});

test('what does not fit is told in our words, with what would', (t) => {
  const told = (schema: object, value: unknown) => {
    const fits = validatorOf({ schema: tidySchema(of(schema)), version: 1 });
    const error = t.throws(() => requireFitting({ a: value }, fits)) as unknown as { fields: { message: string }[] };
    return error.fields.map(({ message }) => message).join('; ');
  };
  const cases: [schema: object, value: unknown, message: string][] = [
    [{ type: 'string' }, 5, 'must be a string'],
    [{ type: 'integer' }, 1.5, 'must be a whole number'],
    [{ type: 'array', items: { type: 'string' }, minItems: 1 }, [], 'must have at least 1 item'],
    [{ type: 'array', items: { type: 'string' }, uniqueItems: true }, ['a', 'a'], 'must not have an item twice'],
    [{ type: 'string', maxLength: 2 }, 'abc', 'must have at most 2 characters'],
    [{ type: 'string', pattern: '^b' }, 'a', 'must match ^b'],
    [{ type: 'string', format: 'uuid' }, 'a', 'must be of the format uuid'],
    [{ type: 'number', exclusiveMaximum: 2 }, 2, 'must be less than 2'],
    [{ const: 'x' }, 'y', 'must be "x"'],
  ];
  for (const [schema, value, message] of cases) t.is(told(schema, value), message, JSON.stringify(schema));
});

test('what every object inherits is no attribute', (t) => {
  const schema = { type: 'object', properties: { constructor: { type: 'string' } }, required: ['constructor'] };
  t.deepEqual(faults(schema, {}), ['INVALID_MEMBER', 'attributes.constructor REQUIRED']);
});

test('conditions and alternatives are understood', (t) => {
  const remote = { type: 'object', properties: { remote: { const: true, type: 'boolean' } }, required: ['remote'] };
  const schema = {
    type: 'object',
    properties: { remote: { type: 'boolean' }, city: { type: 'string' } },
    if: remote,
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema
    then: { required: ['city'] },
  };
  t.deepEqual(faults(schema, { remote: true }), ['INVALID_MEMBER', 'attributes.city REQUIRED']);
  t.deepEqual(faults(schema, { remote: false }), []);
});

test('a restored copy may have another schema of the same version, to which attributes are then held', (t) => {
  const [first, second] = [{ a: { type: 'string' } }, { b: { type: 'string' } }].map((properties) => ({
    version: 1_000,
    schema: tidySchema({ type: 'object', properties, additionalProperties: false }),
  }));
  if (!first || !second) return t.fail();
  t.notThrows(() => requireFitting({ a: 'x' }, validatorOf(first)));
  t.throws(() => requireFitting({ a: 'x' }, validatorOf(second)), { code: 'INVALID_MEMBER' });
  t.notThrows(() => requireFitting({ b: 'x' }, validatorOf(second)));
});

const refused = (schema: unknown): string => {
  try {
    tidySchema(schema);
    return '';
  } catch (error) {
    const { code, fields } = error as MusubiError;
    return [code, ...fields.map(({ field, message }) => `${field} ${message}`)].join(' ');
  }
};
const of = (schema: unknown) => ({ type: 'object', properties: { a: schema } });

test('a schema that is none, or could be used against us, is refused', (t) => {
  const cases: [schema: unknown, where: string][] = [
    [undefined, 'schema.type'],
    [{}, 'schema.type'],
    [{ type: 'string' }, 'schema.type'],
    [of({ $ref: 'https://evil.example/schema' }), 'schema.properties.a.$ref'],
    [of({ $ref: '#' }), 'schema.properties.a.$ref'],
    [{ type: 'object', $defs: {} }, 'schema.$defs'],
    [{ type: 'object', $id: 'https://evil.example' }, 'schema.$id'],
    [{ type: 'object', $schema: 'http://json-schema.org/draft-07/schema#' }, 'schema.$schema'],
    [{ type: 'object', patternProperties: { '(a+)+$': {} } }, 'schema.patternProperties'],
    [of({ type: 'string', pattern: '(?=a)' }), 'schema.properties.a.pattern'],
    [of({ type: 'string', pattern: '(a)\\1' }), 'schema.properties.a.pattern'],
    [of({ type: 'string', pattern: '(' }), 'schema.properties.a.pattern'],
    [of({ type: 'string', pattern: '((a{1000}){1000}){1000}' }), 'schema.properties.a.pattern'],
    [of({ type: 'string', pattern: '(a|aa|aaa){300}' }), 'schema.properties.a.pattern'],
    [{ type: 'object', anyOf: ['a', 'b', 'c'].map((a) => of({ type: 'string', pattern: `^${a}{900}$` })) }, 'schema.anyOf[2]'],
    [of({ type: 'string', pattern: 'a'.repeat(201) }), 'schema.properties.a.pattern'],
    [of({ type: 'string', format: 'regex' }), 'schema.properties.a must have a format that is known: date, '],
    [of({ type: 'strin' }), 'schema.properties.a.type must be what JSON Schema knows'],
    [of({ type: ['string', 'number'] }), 'schema.properties.a must have one type; several stand in anyOf'],
    [of({ minLength: 1 }), 'schema.properties.a must have the type string, as it has minLength'],
    [of({ type: 'string', minLength: '1' }), 'schema.properties.a.minLength must be integer'],
    [of('string'), 'schema.properties.a'],
    [of({ type: 'object', properties: { 'a b': {} } }), 'schema.properties.a.properties'],
    [{ type: 'object', anyOf: [{ type: 'object', unknown: 1 }] }, 'schema.anyOf[0].unknown'],
    [of({ type: 'string', description: 'x'.repeat(2_001) }), 'schema.properties.a.description'],
    [of({ type: 'string', title: '\u202eevil' }), 'schema.properties.a.title'],
    [of({ type: 'string', enum: Array.from({ length: 600 }, (_, i) => String(i)) }), 'schema'],
  ];
  for (const [schema, where] of cases) {
    const said = refused(schema);
    t.true(said.startsWith('INVALID_MEMBER_SCHEMA '), `${JSON.stringify(schema)}: ${said}`);
    t.true(said.includes(where), `${said} names not ${where}`);
  }
  let deep: unknown = { type: 'string' };
  for (let i = 0; i < 20; i++) deep = of(deep);
  t.regex(refused(deep), /^INVALID_MEMBER_SCHEMA schema/);
  t.is(refused({ ...SCHEMA, $schema: 'https://json-schema.org/draft/2020-12/schema' }), '');
});

test('no text makes a pattern slow', (t) => {
  const schema = of({ type: 'string', pattern: '^(a+)+$' });
  const started = performance.now();
  t.deepEqual(faults(schema, { a: `${'a'.repeat(1_999)}!` }), ['INVALID_MEMBER', 'attributes.a WRONG_FORMAT']);
  t.log(`${Math.round(performance.now() - started)} ms`);
});
