import test from 'ava';
import fc from 'fast-check';
import { nameKey } from './group-fields.ts';

// What makes the names of groups, positions and tags one.

test('names that differ in case, width or form alone are one', (t) => {
  for (const [one, ...others] of [
    ['Straße', 'STRASSE', 'strasse', 'STRAẞE', 'ｓｔｒａßｅ'],
    ['ΟΔΟΣ', 'οδοσ', 'οδος', 'Οδος'],
    ['İstanbul', 'istanbul', 'ISTANBUL', 'i\u0307stanbul', 'I\u0307STANBUL'],
    ['Ị\u0307', 'ị', 'I\u0307\u0323'],
    ['ﬁnance', 'FINANCE'],
    ['ﾄｳｷｮｳ', 'トウキョウ'],
    ['Café', 'CAFE\u0301'],
    ['ᾳ', 'ΑΙ'],
    ['ŉ', 'ʼN'],
    ['Ԛ', 'ԛ'],
    ['Ꭰ', 'ꭰ'],
  ] as const)
    for (const other of others) t.is(nameKey(other), nameKey(one), `${one} and ${other}`);
});

test('names of other letters are others', (t) => {
  for (const [one, other] of [
    ['Strase', 'Straße'],
    ['Muller', 'Müller'],
    ['Ż', 'Z'],
    ['は', 'ば'],
    ['и', 'й'],
  ] as const)
    t.not(nameKey(one), nameKey(other));
});

test('however a name is written in capitals or small letters, composed or not, it is one; and so is its key', (t) => {
  const text = fc.string({ unit: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(...'iıİIßẞςσΣſ\u0307\u0345\u0301')) });
  const waysOf = (name: string): string[] => [
    name.toUpperCase(),
    name.toLowerCase(),
    name.toUpperCase().toLowerCase(),
    ...['NFC', 'NFD', 'NFKC', 'NFKD'].map((form) => name.normalize(form)),
    nameKey(name),
  ];
  fc.assert(
    fc.property(text, (typed) => {
      // As it is kept, from the first field on.
      const name = typed.normalize('NFC');
      for (const way of waysOf(name)) t.is(nameKey(way), nameKey(name), JSON.stringify([name, way]));
    }),
    { numRuns: 2_000 },
  );
});

test('of every letter that is', (t) => {
  const apart = Array.from({ length: 0x11_00_00 }, (_, code) =>
    code >= 0xd8_00 && code < 0xe0_00 ? 'x' : String.fromCodePoint(code),
  )
    .filter((letter) => /\p{L}|\p{M}|\p{N}/u.test(letter))
    .filter((letter) => [letter.toUpperCase(), letter.toLowerCase()].some((way) => nameKey(way) !== nameKey(letter)));
  t.deepEqual(apart, []);
});
