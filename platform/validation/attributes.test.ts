import test from 'ava';
import fc from 'fast-check';
import { ATTRIBUTE_BOUNDS, attributes, attributesPatch, mergePatch } from './attributes.ts';
import { locale, timeZone } from './fields.ts';
import { PARSING, violationsOf } from './schema.ts';

const wrong = (schema: typeof attributes, value: unknown) =>
  schema.safeParse(value, PARSING).error?.issues.flatMap(violationsOf)[0];

test('attributes are bounded JSON, kept in normal form C', (t) => {
  t.deepEqual(attributes.parse({ team: 'か\u3099', tags: ['a'], size: 1, on: false, note: 'two\nlines', empty: '' }), {
    team: 'が',
    tags: ['a'],
    size: 1,
    on: false,
    note: 'two\nlines',
    empty: '',
  });
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
  const cases: [value: unknown, field: string, code: string][] = [
    [undefined, '', 'REQUIRED'],
    [null, '', 'WRONG_TYPE'],
    [[], '', 'WRONG_TYPE'],
    ['x', '', 'WRONG_TYPE'],
    [JSON.parse('{"__proto__": {"admin": true}}'), '', 'WRONG_FORMAT'],
    [{ 'a b': 1 }, '', 'WRONG_FORMAT'],
    [{ a: { 'x.y': 1 } }, 'a', 'WRONG_FORMAT'],
    [{ a: null }, 'a', 'WRONG_TYPE'],
    [{ a: [1, null] }, 'a[1]', 'WRONG_TYPE'],
    [{ a: 'x\0' }, 'a', 'WRONG_FORMAT'],
    [{ a: 'x\ud800' }, 'a', 'WRONG_FORMAT'],
    [{ a: { b: ['\u202ex'] } }, 'a.b[0]', 'WRONG_FORMAT'],
    [{ a: 'x'.repeat(2_001) }, 'a', 'TOO_LONG'],
    [{ a: Array.from({ length: ATTRIBUTE_BOUNDS.values }, () => 1) }, '', 'TOO_LONG'],
    [{ a: Array.from({ length: 5 }, () => 'x'.repeat(2_000)) }, '', 'TOO_LONG'],
    [deep(ATTRIBUTE_BOUNDS.depth + 1), 'a.a.a.a.a', 'TOO_LONG'],
  ];
  for (const [value, field, code] of cases)
    t.like(wrong(attributes, value), { field, code }, JSON.stringify(value)?.slice(0, 80));
  t.true(attributes.safeParse(deep(ATTRIBUTE_BOUNDS.depth)).success);
  let very: unknown = 1;
  for (let i = 0; i < 100_000; i++) very = { a: very };
  t.like(wrong(attributes, very), { code: 'TOO_LONG' }, 'no stack is used up');
});

test('a patch may have null in an object, and in no list', (t) => {
  t.deepEqual(attributesPatch.parse({ a: null, b: { c: null } }), { a: null, b: { c: null } });
  t.like(wrong(attributesPatch, { a: [null] }), { field: 'a[0]', code: 'WRONG_TYPE' });
});

test('a merge patch is applied as RFC 7396 has it', (t) => {
  // Its appendix A, as far as the target is an object.
  const cases: [target: unknown, patch: unknown, merged: unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, merged] of cases) {
    const before = structuredClone(target);
    t.deepEqual(mergePatch(target, patch), merged);
    t.deepEqual(target, before);
  }
  t.false(Object.hasOwn(mergePatch({}, JSON.parse('{"__proto__": {"x": 1}}')) as object, 'x'));
});

test('a locale is kept in canonical form', (t) => {
  for (const [given, kept] of [
    ['ja-jp', 'ja-JP'],
    ['iw', 'he'],
    ['zh-hant-tw', 'zh-Hant-TW'],
    ['ca-es-VALENCIA', 'ca-ES-valencia'],
    ['ja-JP-u-ca-japanese', 'ja-JP-u-ca-japanese'],
  ] as const) {
    t.is(locale.parse(given), kept);
    t.is(locale.parse(kept), kept);
  }
  for (const bad of ['', 'j', 'ja_JP', 'japanese', 'ja-', 'x-private', 'de-1996-1996', `ja-${'a'.repeat(70)}`, 'ja\r\n', 'ｊａ'])
    t.false(locale.safeParse(bad).success, bad);
  const tag = fc.stringMatching(/^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-[A-Za-z]{2})?$/);
  t.notThrows(() => fc.assert(fc.property(tag, (given) => locale.parse(locale.parse(given)) === locale.parse(given))));
});

test('a time zone is kept by the name that IANA has for it now', (t) => {
  for (const [given, kept] of [
    ['asia/tokyo', 'Asia/Tokyo'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['US/Pacific', 'America/Los_Angeles'],
    ['Europe/Kiev', 'Europe/Kyiv'],
    ['utc', 'UTC'],
  ] as const) {
    t.is(timeZone.parse(given), kept);
    t.is(timeZone.parse(kept), kept);
  }
  for (const bad of ['', '+09:00', '09:00', 'Tokyo', 'Asia/Tokyo\n', 'Mars/Olympus', '../etc/passwd', `A${'a'.repeat(80)}`])
    t.false(timeZone.safeParse(bad).success, bad);
  for (const name of Intl.supportedValuesOf('timeZone')) t.is(timeZone.parse(timeZone.parse(name)), timeZone.parse(name));
});
