import test from 'ava';
import fc from 'fast-check';
import { parseJson } from './json.ts';

const countOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Object.values(value).reduce((sum: number, one) => sum + countOf(one), 0) : 1;

test('what is JSON is parsed as ever, and counted to the last value', (t) => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.boolean(), (json, spaced) => {
      const value: unknown = JSON.parse(json);
      const text = spaced ? JSON.stringify(value, null, 1) : JSON.stringify(value);
      const count = countOf(value);
      t.deepEqual(parseJson(text, count + emptyIn(value)), { value });
      t.deepEqual(parseJson(text, count - 1), { fault: 'size' });
    }),
  );
});

/** An empty list or object counts as one with a value. */
const emptyIn = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value);
  return inner.length === 0 ? 1 : inner.reduce((sum: number, one) => sum + emptyIn(one), 0);
};

test('what is no JSON is refused as JSON.parse does', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[{}[\],:"\\ a1]{0,12}$/), (text) => {
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      const parsed = parseJson(text, 99);
      t.is('fault' in parsed && parsed.fault === 'syntax', !isJson, text);
    }),
    { numRuns: 5_000 },
  );
});

test('a name that an object has twice is named', (t) => {
  const name = (text: string): string | undefined => {
    const parsed = parseJson(text, 99);
    return 'fault' in parsed && parsed.fault === 'repeated' ? parsed.name : undefined;
  };
  t.is(name('{"a":1,"b":{"c":1},"a":2}'), 'a');
  t.is(name('[{"a":{"b":1,"\\u0062":2}}]'), 'b');
  t.is(name('{"a":{"b":1},"b":[{"b":1},{"b":1}],"c":"a"}'), undefined);
  t.is(name('{"a":"{\\"b\\":1,\\"b\\":2}"}'), undefined);
  t.deepEqual(parseJson('{"a":1,"a":2}', 99), { fault: 'repeated', name: 'a', value: { a: 2 } });
});

test('no more of a text is read than may count: what comes later is not even looked at', (t) => {
  t.deepEqual(parseJson(`[${'[],'.repeat(20_000)}`, 99), { fault: 'size' });
  t.deepEqual(parseJson(`${'1,'.repeat(99)}no JSON`, 99), { fault: 'size' });
});
