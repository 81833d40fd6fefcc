import test from 'ava';
import { displayName } from './fields.ts';
import { unreadable } from './readable.ts';
import { PARSING } from './schema.ts';

const READABLE = {
  'plain names': ['Hanako Yamada', 'O’Hara', '花子', '山田 花子 🎉', 'か゚', 'Ünlü', '김하나', 'הָנָה', 'नमस्ते'],
  'combining accents': ['e\u0301 a\u0308\u0323', 'J\u030cose'],
  'Japanese names with variants of ideographs': ['葛\u{e0100}城', '渡邉\u{e0101}', '神\ufe00', '髙橋'],
  'Persian and Indian names with joiners': ['می\u200cخواهم', 'علی\u200cرضا', 'ක\u0dca\u200dෂ', 'क\u094d\u200cष', 'مُ\u200cا'],
  'emoji, also those that are made of several': [
    '👨\u200d👩\u200d👧\u200d👦',
    '🧑🏽\u200d🤝\u200d🧑🏿',
    '🏳\ufe0f\u200d🌈',
    '❤\ufe0f',
    '☺\ufe0e',
    '1\ufe0f\u20e3',
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
    '🇯🇵',
  ],
};

const UNREADABLE = {
  'nothing to see': ['', ' ', '\u3000', '\u00a0', '\u0301', '\u0301\u0302', ' \u0301'],
  'blank letters': ['\u3164', '\u115f', '\u1160', '\uffa0', '\u2800', 'a\u3164', 'admin\u2800'],
  'what is invisible': [
    '\u200b',
    '\u2060\u200d',
    '\u00ad',
    '\ufeff',
    'Administrator\u200b',
    'ad\u00admin',
    'a\u034fb',
    'a\u{e0061}',
  ],
  'what changes the direction': [
    ...['\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u2069', '\u200e', '\u200f', '\u061c'],
  ].map((control) => `${control}nimda`),
  'joiners that join nothing': [
    'ad\u200dmin',
    'ad\u200cmin',
    '花\u200d子',
    'علی\u200c',
    '\u200cعلی',
    'ع\u200c\u200cل',
    '👨\u200d',
    '👨\u200da',
  ],
  'variants of what has none': [
    'a\ufe0f',
    '1\ufe0f',
    '1\ufe0fa',
    'a\u{e0100}',
    '花\u{e0100}\u{e0100}',
    '❤\ufe0f\ufe0f',
    'a\u180b',
  ],
  'marks that are drawn over other lines': [`a${'\u0334'.repeat(5)}`, `ab${'\u0301\u0489\u0302\u0303\u0304\u0305'}`],
  'controls, and halves of characters': ['a\0', 'a\nb', 'a\u0085b', 'a\u2028b', 'a\u2029b', 'a\ud800', 'a\ufff9b\ufffa'],
};

const shown = (text: string): string => JSON.stringify([...text].map((c) => c.codePointAt(0)?.toString(16)));

for (const [what, texts] of Object.entries(READABLE)) {
  test(`readable: ${what}`, (t) => {
    for (const text of texts) t.is(unreadable(text.normalize('NFC')), undefined, JSON.stringify(text));
  });
}

for (const [what, texts] of Object.entries(UNREADABLE)) {
  test(`not readable: ${what}`, (t) => {
    for (const text of texts) t.truthy(unreadable(text.normalize('NFC')), shown(text));
  });
}

test('a name that can not be read is refused with what is wrong with it', (t) => {
  const cases: [text: string, message: string][] = [
    ['admin\r\nSet-Cookie: a=b', 'must not have control characters (U+000D)'],
    ['\u202enimda', 'must not have characters that change the direction of a text (U+202E)'],
    ['admin\u200b', 'must not have invisible characters (U+200B)'],
    ['\u3164', 'must not have invisible characters (U+3164)'],
    ['\u2800\u2800', 'must not have invisible characters (U+2800)'],
    ['\u115f', 'must not have invisible characters (U+115F)'],
    ['ad\u{e0061}min', 'must not have invisible characters (U+E0061)'],
    ['\u0301', 'must have a character that is seen'],
    ['\u3000', 'must have a character that is seen'],
    [`a${'\u0334'.repeat(9)}`, 'must not have more than 4 combining marks one after the other'],
  ];
  for (const [text, message] of cases) {
    const issues = displayName.safeParse(text, PARSING).error?.issues;
    t.is(issues?.[0]?.message, message, shown(text));
  }
});
