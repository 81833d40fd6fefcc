import test from 'ava';
import fc from 'fast-check';
import { type FilterFields, parseFilter } from './filter.ts';
import { parseOrderBy } from './order-by.ts';

const FIELDS = { name: 'text', at: 'time', archived: 'flag', kind: ['a', 'b'], whose: 'id' } as const satisfies FilterFields;
const parse = (text: string) => parseFilter(text, FIELDS);
const messageOf = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    const [field] = (error as { fields: { field: string; message: string }[] }).fields;
    return `${field?.field} ${field?.message}`;
  }
  return '';
};

test('comparisons are joined by AND, with values in quotes or as a word', (t) => {
  t.deepEqual(parse(''), []);
  t.deepEqual(parse('kind = "a" AND archived=false AND at >= "2026-01-01T09:00:00+09:00" AND name != \'it\\\'s "x" AND y\''), [
    { field: 'kind', operator: '=', value: 'a' },
    { field: 'archived', operator: '=', value: false },
    { field: 'at', operator: '>=', value: new Date('2026-01-01T00:00:00Z') },
    { field: 'name', operator: '!=', value: 'it\'s "x" AND y' },
  ]);
  t.deepEqual(parse('  at<2026-01-01T00:00:00Z '), [{ field: 'at', operator: '<', value: new Date('2026-01-01T00:00:00Z') }]);
  t.deepEqual(parse('name = AND'), [{ field: 'name', operator: '=', value: 'AND' }]);
  t.deepEqual(parse('name = ""'), [{ field: 'name', operator: '=', value: '' }]);
});

test('what is kept in one form is found in whichever it is written', (t) => {
  const id = '0199a7c0-5c3e-7d4a-9b1f-2e6d8c0a4f71';
  for (const written of [id, id.toUpperCase(), `"${id.toUpperCase()}"`]) t.is(parse(`whose = ${written}`)[0]?.value, id);
  t.is(parse('whose = root')[0]?.value, 'root');
  t.is(parse(`name = "${'がぎ'.normalize('NFD')}"`)[0]?.value, 'がぎ'.normalize('NFC'));
});

test('what is wrong is told by its place, with what there is', (t) => {
  const fields = 'one of the fields name, at, archived, kind, whose';
  for (const [text, message] of [
    ['color = "red"', `must have ${fields} at character 1`],
    ['toString = x', `must have ${fields} at character 1`],
    ['kind = "a" AND', `must have ${fields} at its end`],
    ['(kind = "a")', `must have ${fields} at character 1`],
    ['whose < x', 'must have one of = != after whose at character 7'],
    ['whose =', 'must have an ID for whose at its end'],
    ['archived < true', 'must have one of = != after archived at character 10'],
    ['name ~ x', 'must have one of = != < <= > >= after name at character 6'],
    ['kind', 'must have one of = != after kind at its end'],
    ['kind = "c"', 'must have one of a, b for kind at character 8'],
    ['kind =', 'must have one of a, b for kind at its end'],
    ['archived = "yes"', 'must have true or false for archived at character 12'],
    ['at > yesterday', 'must have a time as "2026-01-01T00:00:00Z" for at at character 6'],
    ['at > 2026-02-30T00:00:00Z', 'must have a time as "2026-01-01T00:00:00Z" for at at character 6'],
    ['name = "x', 'must have a text in quotes for name at character 8'],
    ['name = "𠮷" OR kind = a', 'must have AND and another comparison (OR, NOT and brackets are not understood) at character 12'],
    ['name = "x" and kind = a', 'must have AND and another comparison (OR, NOT and brackets are not understood) at character 12'],
    ['name = "\0"', 'must have no control characters'],
    [Array.from({ length: 11 }, () => 'kind = a').join(' AND '), 'must have at most 10 comparisons'],
    [`name = "${'x'.repeat(1_000)}"`, 'must have at most 1000 characters'],
  ] as const)
    t.is(messageOf(text), `filter ${message}`);
});

test('no text does anything but be read or be refused, in no time', (t) => {
  const some = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom('kind', '=', '"a"', 'AND', '\\', '"', "'", '<', '!'),
  );
  const since = performance.now();
  fc.assert(
    fc.property(fc.array(some, { maxLength: 30 }), (parts) => {
      const text = parts.join(' ');
      const message = messageOf(text);
      if (message === '') return;
      const at = /at character (\d+)/.exec(message);
      return message.startsWith('filter must ') && (!at || Number(at[1]) <= [...text].length);
    }),
  );
  t.true(performance.now() - since < 5_000);
  t.regex(messageOf(`name = "${'\\'.repeat(980)}`), /in quotes/);
});

test('a text in quotes is read as it was meant', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (value) => {
      if (/\p{Cc}/u.test(value)) return;
      const quoted = `"${value.replace(/[\\"]/g, '\\$&')}"`;
      t.deepEqual(parse(`name >= ${quoted} AND kind = a`)[0], { field: 'name', operator: '>=', value: value.normalize('NFC') });
    }),
  );
});

test('an order is one of the fields, from the first or the last on', (t) => {
  const FIELDS = ['name', 'at'] as const;
  t.deepEqual(parseOrderBy('', FIELDS), { by: 'name', descending: false });
  t.deepEqual(parseOrderBy('at desc', FIELDS), { by: 'at', descending: true });
  for (const wrong of ['color', 'at  desc', 'at asc', 'name,at', ' desc', 'at DESC'])
    t.throws(() => parseOrderBy(wrong, FIELDS), { code: 'INVALID_ARGUMENT' }, wrong);
});
