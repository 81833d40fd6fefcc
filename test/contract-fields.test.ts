import test from 'ava';
import fc from 'fast-check';
import { openApiDocument } from '../gateway/openapi/document.ts';
import { allRoutes } from '../gateway/routes/index.ts';
import { displayName, email, loginId } from '../platform/validation/fields.ts';

// What the contract says of a field, and what its rule takes, are the same.

interface Rules {
  type: string;
  format?: string;
  pattern: string;
  maxLength?: number;
}
const document = JSON.parse(JSON.stringify(openApiDocument(allRoutes(), undefined)));
const says = (field: string, value: string): boolean => {
  const { pattern, maxLength = Number.POSITIVE_INFINITY }: Rules = document.components.schemas.NewMember.properties[field];
  // As JSON Schema has it.
  return new RegExp(pattern, 'u').test(value) && [...value].length <= maxLength;
};
const labels = `${'b'.repeat(63)}.`.repeat(3);
const GOOD = [
  'hana@example.com',
  'a@b.c',
  "o'hara+x=1@mail.example.co.jp",
  'A.B@C.D',
  `${'a'.repeat(64)}@b.c`,
  `a@${labels}${'c'.repeat(60)}`,
];
const BAD = [
  ...['', 'a', 'a@b', '@b.c', 'a@', 'a@b@c.d', 'a b@c.d', ' a@b.c', 'a@b.c\n', 'a@b.c\0', 'あ@b.c', 'a@い.c'],
  ...['a@b.', 'a@.b', 'a@b..c', 'a@-b.c', 'a@b-.c', '.a@b.c', 'a.@b.c', 'a..b@c.d', '"a b"@c.d', 'a@[127.0.0.1]'],
  ...[`${'a'.repeat(65)}@b.c`, `a@${'b'.repeat(64)}.c`, `a@${labels}${'c'.repeat(63)}`],
];

test('an e-mail address is the same to the contract and its rule', (t) => {
  t.is(document.components.schemas.NewMember.properties.email.format, 'email');
  for (const [values, taken] of [
    [GOOD, true],
    [BAD, false],
  ] as const) {
    for (const value of values) {
      t.is(email.safeParse(value).success, taken, value);
      t.is(says('email', value), taken, value);
    }
  }
});

const near = (characters: string) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 12 });

test('any other text, and any login, are the same to both', (t) => {
  const any = fc.oneof(fc.string({ unit: 'binary' }), fc.emailAddress(), near('ab.-@_+" é'), near('aB0._@-/ '));
  t.notThrows(() =>
    fc.assert(
      fc.property(any, (text) => {
        const value = text.toWellFormed();
        for (const [field, schema] of [
          ['email', email],
          ['loginId', loginId],
        ] as const) {
          const taken = schema.safeParse(value).success;
          if (says(field, value) !== taken) throw new Error(`the contract says otherwise of ${field}: ${JSON.stringify(value)}`);
        }
      }),
      { numRuns: 2_000 },
    ),
  );
});

const NAMES = {
  good: ['花子', 'é', 'می\u200cخواهم', '👨\u200d👩\u200d👧\u200d👦', '❤\ufe0f', '葛\u{e0100}城', '山田 花子', 'O’Hara'],
  bad: [
    ...['', ' ', '\u3000', '\u200b', '\u2060\u200d', '\u3164', '\u2800', '\u00ad', '\u0301', '\u202enimda', '\u2067a', 'a\u061c'],
    ...['Administrator\u200b', 'ad\u200dmin', 'ad\u200cmin', 'a\ufe0f', 'a\nb', 'a\u2028b'],
  ],
};

test('a name that deceives is refused, and the contract refuses none that is good', (t) => {
  for (const value of NAMES.good) {
    t.is(displayName.parse(value), value);
    t.true(says('displayName', value), value);
  }
  for (const value of NAMES.bad) t.is(displayName.safeParse(value).error?.issues.length, 1, JSON.stringify(value));
  const any = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), near(`aع花👨❤1\u200c\u200d\ufe0f\u0301\u202e\u3164 `));
  t.notThrows(() =>
    fc.assert(
      fc.property(any, (text) => {
        const value = text.toWellFormed().normalize('NFC').trim();
        const taken = displayName.safeParse(value).success;
        if (taken && !says('displayName', value)) throw new Error(`the contract refuses it: ${JSON.stringify(value)}`);
      }),
      { numRuns: 2_000 },
    ),
  );
});

test('what a registration is refused with is in the contract', (t) => {
  t.regex(document.paths['/v1/members'].post.responses['400'].description, /INVALID_ARGUMENT.*WEAK_PASSWORD/s);
});
