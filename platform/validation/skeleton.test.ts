import test from 'ava';
import fc from 'fast-check';
import { skeleton } from './skeleton.ts';

const LOOKALIKES: [one: string, other: string][] = [
  ['admin', 'аdmіn'], // Cyrillic а and і
  ['admin', 'ADMIN'],
  ['Admin', 'Аdmin'],
  ['HANAKO', 'НАNАКО'],
  ['paypal', 'paypaI'],
  ['paypal', 'PAYPA1'],
  ['modern', 'modem'],
  ['Hanako', '𝐇anako'],
  ['Hanako', 'Ｈａｎａｋｏ'],
  ['Hanako Yamada', 'Hanako\u00a0\u3000Yamada'],
  ['O0', '0O'],
  ['カ', '力'], // a kana, and an ideograph
  ['葛城', '葛\u{e0100}城'],
  ['علی رضا', 'علی\u200c رضا'],
];

test('names that look alike have the same skeleton', (t) => {
  for (const [one, other] of LOOKALIKES) t.is(skeleton(one), skeleton(other), `${one} ${other}`);
});

test('names that people tell apart have different ones', (t) => {
  for (const [one, other] of [
    ['hanako', 'hanaka'],
    ['Zoë', 'Zoe'],
    ['花子', '花'],
    ['山田 太郎', '山田 次郎'],
    ['Hanako Yamada', 'HanakoYamada'],
  ] as const)
    t.not(skeleton(one), skeleton(other), `${one} ${other}`);
});

test('case and the form of Unicode make no difference', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9 ._@-]{1,30}$/), (name) => {
      t.is(skeleton(name.toUpperCase()), skeleton(name));
      t.is(skeleton(name.toLowerCase()), skeleton(name));
    }),
  );
  t.is(skeleton('Zoe\u0308'), skeleton('Zoë'));
});
