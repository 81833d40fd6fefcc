import test from 'ava';
import { z } from 'zod';
import { PARSING, violationsOf } from './schema.ts';

/** What is wrong with a value, by a schema. */
const wrong = (schema: z.ZodType, value: unknown) => schema.safeParse(value, PARSING).error?.issues.flatMap(violationsOf) ?? [];

test('whatever zod finds is said in our words, with our code', (t) => {
  const cases: [schema: z.ZodType, value: unknown, code: string, message: string][] = [
    [z.string(), undefined, 'REQUIRED', 'is missing'],
    [z.string(), 7, 'WRONG_TYPE', 'must be a string'],
    [z.number(), 'x', 'WRONG_TYPE', 'must be a number'],
    [z.number(), Number.NaN, 'WRONG_TYPE', 'must be a number'],
    [z.int(), 1.5, 'WRONG_TYPE', 'must be a whole number'],
    [z.boolean(), 'true', 'WRONG_TYPE', 'must be true or false'],
    [z.array(z.string()), {}, 'WRONG_TYPE', 'must be a list'],
    [z.object({}), [], 'WRONG_TYPE', 'must be an object'],
    [z.record(z.string(), z.string()), 1, 'WRONG_TYPE', 'must be an object'],
    [z.date(), 1, 'WRONG_TYPE', 'must be of the type date'],
    [z.enum(['a', 'b']), undefined, 'REQUIRED', 'is missing'],
    [z.enum(['a', 'b']), 'c', 'NOT_ONE_OF', 'must be one of a, b'],
    [z.literal('a'), 'c', 'NOT_ONE_OF', 'must be a'],
    [z.string().min(1), '', 'TOO_SHORT', 'must not be empty'],
    [z.string().min(3), 'ab', 'TOO_SHORT', 'must have at least 3 characters'],
    [z.string().max(1), 'ab', 'TOO_LONG', 'must have at most 1 character'],
    [z.array(z.int()).min(1), [], 'TOO_SHORT', 'must not be empty'],
    [z.array(z.int()).max(1), [1, 2], 'TOO_LONG', 'must have at most 1 item'],
    [z.number().min(2), 1, 'TOO_SMALL', 'must be at least 2'],
    [z.number().max(2), 3, 'TOO_LARGE', 'must be at most 2'],
    [z.number().multipleOf(2), 3, 'INVALID', 'must be a multiple of 2'],
    [z.uuid(), 'x', 'WRONG_FORMAT', 'must be a UUID'],
    [z.email(), 'x', 'WRONG_FORMAT', 'must be an e-mail address of ASCII characters'],
    [z.iso.datetime(), 'x', 'WRONG_FORMAT', 'must be a time as RFC 3339 has it, as 2026-11-26T08:00:00Z'],
    [z.url(), 'x', 'WRONG_FORMAT', 'must be a URL'],
    [z.string().regex(/a/), 'x', 'WRONG_FORMAT', 'has not the form that it must have'],
    [z.string().regex(/a/, 'must have an a'), 'x', 'WRONG_FORMAT', 'must have an a'],
    [z.union([z.string(), z.number()]), true, 'INVALID', 'has none of the forms that it may have'],
    [z.string().refine(() => false), 'x', 'INVALID', 'is not valid'],
    [z.string().refine(() => false, { error: 'must be free', params: { code: 'TAKEN' } }), 'x', 'TAKEN', 'must be free'],
    [z.string().refine(() => false, { error: 'must be free', params: { code: 'ANYTHING' } }), 'x', 'INVALID', 'must be free'],
  ];
  for (const [schema, value, code, message] of cases) t.deepEqual(wrong(schema, value), [{ field: '', code, message }], message);
});

test('fields are named by their path, unknown ones each by itself with those that are known', (t) => {
  const schema = z.strictObject({ list: z.array(z.strictObject({ name: z.string(), size: z.int().optional() })) });
  t.deepEqual(wrong(schema, { list: [{ name: 'a' }, { name: 1, one: 1, ['x'.repeat(200)]: 2 }], other: 1 }), [
    { field: 'list[1].name', code: 'WRONG_TYPE', message: 'must be a string' },
    { field: 'list[1].one', code: 'UNKNOWN', message: 'is not known here; known are name, size' },
    { field: `list[1].${'x'.repeat(100)}…`, code: 'UNKNOWN', message: 'is not known here; known are name, size' },
    { field: 'other', code: 'UNKNOWN', message: 'is not known here; known are list' },
  ]);
  t.deepEqual(wrong(z.strictObject({}), { a: 1 }), [{ field: 'a', code: 'UNKNOWN', message: 'is not known here; leave it out' }]);
});
