import test from 'ava';
import { Details } from './details.ts';

/** Temporal's limit, bytes (`limit.userMetadataDetailsSize`). */
const MOST_BYTES = 20_000;

test('of many rows the last are shown, with a count of those before, and never more than Temporal takes', async (t) => {
  let shown = '';
  const details = new Details((text) => {
    shown = text;
  });
  details.say(`Refused: ${'x'.repeat(100_000)}`);
  const under = Promise.withResolvers<void>();
  const first = details.row('the first', () => under.promise);
  for (let n = 1; n <= 1_300; n++) await details.row(`undo "assign roles of the member", for ${n}`, () => Promise.resolve());
  t.true(Buffer.byteLength(shown) < MOST_BYTES, String(shown.length));
  const rows = shown.split('\n').filter((line) => line.startsWith('- '));
  t.is(rows[0], '- 1251 before these');
  t.is(rows.length, 51);
  t.regex(rows.at(-1) ?? '', /for 1300: done, \d+ ms$/);
  under.resolve();
  await first;
  t.notRegex(shown, /the first/, 'which is one of those before');
});

test('a row says how it goes, and how it ended', async (t) => {
  const shown: string[] = [];
  const details = new Details((text) => void shown.push(text));
  const failed = details.row(
    'bind login',
    () => Promise.reject(new Error('no')),
    () => 'refused',
  );
  details.say('At work.');
  await t.throwsAsync(failed);
  t.is(shown[0], 'At work.\n\n- bind login …');
  t.regex(shown.at(-1) ?? '', /^At work\.\n\n- bind login: \*\*refused\*\*, \d+ ms$/);
});
