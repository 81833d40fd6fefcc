import test from 'ava';
import fc from 'fast-check';
import { jobOf } from '#platform/validation/id.ts';
import { longestNormalized, SLOW_TO_NORMALIZE } from '#platform/validation/normalization.fixture.ts';
import { type Changes, type NewProfile, tidyChanges, tidyProfile, tidyReason } from './domain.ts';

const good: NewProfile = { loginId: 'alice.b-c_d@e', displayName: '山田 花子 🎉', email: 'alice@example.com' };

const NOTHING_MORE = { locale: null, timeZone: null, attributes: {} };

const refused = (changes: Changes): string[] => {
  try {
    tidyChanges(changes)({ attributes: {} });
    return [];
  } catch (error) {
    const { code, fields } = error as { code: string; fields: { field: string }[] };
    return [code, ...fields.map(({ field }) => field)];
  }
};

test('good members are taken, and kept tidy', (t) => {
  t.deepEqual(tidyProfile(good), { ...good, ...NOTHING_MORE });
  t.deepEqual(tidyProfile({ ...good, displayName: '  か\u3099  ', email: 'a@b.example' }), {
    ...good,
    ...NOTHING_MORE,
    displayName: 'が',
    email: 'a@b.example',
  });
  t.deepEqual(tidyChanges({ email: 'a@b.example' })({ attributes: {} }), { email: 'a@b.example' });
  t.deepEqual(tidyChanges({ displayName: undefined })({ attributes: {} }), {});
});

test('bad members are refused with every field that is wrong', (t) => {
  t.deepEqual(refused({ loginId: 'al', displayName: '', email: 'x' }), ['INVALID_MEMBER', 'loginId', 'displayName', 'email']);
  for (const loginId of ['', 'ab', 'a b c', 'ａｂｃ', 'あいう', 'abc\n', `${'a'.repeat(65)}`, 'a/b/c', "a'b'c"]) {
    t.deepEqual(refused({ loginId }), ['INVALID_MEMBER', 'loginId'], loginId);
  }
  for (const displayName of [
    '\u200b',
    '\u2060\u200d',
    '\u3164',
    '\u2800',
    '\u00ad',
    '\u202enimda',
    'Administrator\u200b',
    'ad\u200dmin',
  ])
    t.deepEqual(refused({ displayName }), ['INVALID_MEMBER', 'displayName'], JSON.stringify(displayName));
  for (const displayName of ['', ' ', '\u3000', 'a\u0000b', 'a\nb', 'a\u2028b', 'x'.repeat(101)]) {
    t.deepEqual(refused({ displayName }), ['INVALID_MEMBER', 'displayName'], JSON.stringify(displayName));
  }
  t.deepEqual(refused({ displayName: '𠮷'.repeat(100) }), [], 'a character is one, however many code units it has');
  const labels = `${'b'.repeat(63)}.`.repeat(4);
  const none = ['', 'a', '@b.c', 'a@', 'a@b@c.d', 'a b@c.d', 'a@b c.d', 'a@b.c\0', ' a@b.c', 'a@b.c ', 'あ@b.c', 'a@い.c'];
  const wrong = [
    'a@b',
    'a@b.',
    'a@.b',
    'a@b..c',
    'a@-b.c',
    'a@b-.c',
    '.a@b.c',
    'a.@b.c',
    'a..b@c.d',
    '"a b"@c.d',
    'a@[127.0.0.1]',
  ];
  const long = [`${'a'.repeat(65)}@b.c`, `a@${'b'.repeat(64)}.c`, `a@${labels}c`];
  for (const email of [...none, ...wrong, ...long]) {
    t.deepEqual(refused({ email }), ['INVALID_MEMBER', 'email'], JSON.stringify(email));
  }
});

// Serial: it watches every normalisation of the process.
test.serial('a text that is too long is refused before it is transformed', async (t) => {
  const given = { loginId: SLOW_TO_NORMALIZE, displayName: SLOW_TO_NORMALIZE, email: SLOW_TO_NORMALIZE };
  const normalized = await longestNormalized(() => {
    t.deepEqual(refused(given), ['INVALID_MEMBER', 'loginId', 'displayName', 'email']);
    t.deepEqual(refused({ displayName: ' '.repeat(60_000) }), ['INVALID_MEMBER', 'displayName']);
  });
  t.is(normalized, 0);
  // Each character is the longest that there is in decomposed form: four UTF-16 units.
  const longest = '\u1f82'.repeat(100);
  t.deepEqual(tidyChanges({ displayName: longest.normalize('NFD') })({ attributes: {} }), { displayName: longest });
});

test('tidying what is tidy changes nothing', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.record({ displayName: fc.string({ unit: 'binary', maxLength: 120 }), email: fc.emailAddress() }),
        (given) => {
          if (refused(given).length > 0) return;
          const once = tidyChanges(given)({ attributes: {} });
          t.deepEqual(tidyChanges(once as Changes)({ attributes: {} }), once);
        },
      ),
    ),
  );
});

test('the job is what stands before the first slash', (t) => {
  t.is(jobOf('0190-abc/create/x'), '0190-abc');
  t.is(jobOf('bootstrap'), 'bootstrap');
});

test('a reason is a line that others can read', (t) => {
  t.is(tidyReason(undefined), null);
  t.is(tidyReason(' か\u3099 '), 'が');
  t.is(tidyReason('𠮷'.repeat(500)), '𠮷'.repeat(500));
  for (const reason of ['', '  ', 'x'.repeat(501), 'x'.repeat(2_001), 'a\nb', 'a\u0000b', 'a\u200bb', '\u202eab'])
    t.like(
      t.throws(() => tidyReason(reason)),
      { code: 'INVALID_MEMBER', fields: [{ field: 'reason' }] },
      JSON.stringify(reason),
    );
});
