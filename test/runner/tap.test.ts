import test from 'ava';
import { brief, tally } from './tap.ts';

const END = '\n1..3\n# tests 3\n# pass 2\n# fail 1\n';
const SOME = "TAP version 13\nok 1 - a\nnot ok 2 - b\n  ---\n    message: 'no'\n  ...\nok 3 - c\n";

test('tests that passed and failed are counted, with what is said of those that failed', (t) => {
  t.deepEqual(tally(SOME + END, 1), { passed: 2, failed: 1, failures: ["not ok 2 - b\n  ---\n    message: 'no'\n  ..."] });
  t.deepEqual(tally(`ok 1 - a\n\n1..1\n# tests 1\n`, 0), { passed: 1, failed: 0, failures: [] });
});

test('a run that crashed has failed, also where tests of it have', (t) => {
  t.like(tally('ok 1 - a\n', null), { passed: 1, failed: 1, failures: ['ava ended with null before it had run every test'] });
  t.like(tally(SOME, null), { passed: 2, failed: 2 });
  t.like(tally('', 0), { passed: 0, failed: 1 }, 'nothing ran');
});

test('a run that is no success, though no test failed, has failed', (t) => {
  t.like(tally('ok 1 - a\n# tests 1\n', 1), { passed: 1, failed: 1 });
});

test('a title that no test has is said', (t) => {
  const failures = ['no test was run: none of these files has one of such a title'];
  t.deepEqual(tally('TAP version 13\n\n1..0\n# tests 0\n', 1), { passed: 0, failed: 1, failures });
});

test('a long failure is told briefly: how it begins, and how it ends', (t) => {
  const lines = ['not ok 7 - d', ...Array.from({ length: 98 }, (_, at) => `  ${at}`), '  ...'];
  const told = brief(lines.join('\n')).split('\n');
  t.is(told.length, 40);
  t.deepEqual([told[0], told[34], told.at(-1)], ['not ok 7 - d', '  … 61 lines more', '  ...']);
  t.is(brief('not ok 1 - a\n  short'), 'not ok 1 - a\n  short');
  t.is(brief('x'.repeat(301)), `${'x'.repeat(300)} …`);
});
