/**
 * Whether people can read a text as it is: a name that is shown to others must be seen, and be what it looks like.
 * What is seen of a text is Unicode's to say (UAX #44; UTS #51 for emoji; UTS #37 for variants of ideographs).
 */

/** Scripts whose letters change their form by an invisible joiner between them (Unicode, section 23.2). */
const JOINING_SCRIPTS = 'Adlm Arab Beng Deva Gujr Guru Khmr Knda Mand Mlym Mong Mymr Nkoo Orya Rohg Sinh Syrc Taml Telu Tibt'
  .split(' ')
  .map((script) => `\\p{scx=${script}}`)
  .join('');
const JOINING = `[[\\p{L}\\p{M}]&&[${JOINING_SCRIPTS}]]`;
const EMOJI = '\\p{ExtPict}';

/** Invisible characters where they change how what is beside them is seen. */
const AT_WORK = new RegExp(
  [
    // Zero-width joiner and non-joiner, as Persian and the scripts of India need them.
    `(?<=${JOINING})[\\u200c\\u200d](?=${JOINING})`,
    // Several emoji as one: a family, a profession.
    `(?<=${EMOJI}[\\ufe0f\\p{EMod}]?)\\u200d(?=${EMOJI})`,
    // An emoji as text or as a picture; a key.
    `(?<=${EMOJI})[\\ufe0e\\ufe0f]`,
    '(?<=[0-9#*])\\ufe0f(?=\\u20e3)',
    // The flags of regions.
    '(?<=\\u{1f3f4})[\\u{e0030}-\\u{e0039}\\u{e0061}-\\u{e007a}]{1,6}\\u{e007f}',
    // The form of an ideograph, as Japanese names need it, and that of a Mongolian letter.
    '(?<=\\p{sc=Han})[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]',
    '(?<=\\p{sc=Mong})[\\u180b-\\u180d\\u180f]',
  ].join('|'),
  'gv',
);

/** What no text may have, and why, the gravest first. Letters that are blank are invisible. */
const UNREADABLE: readonly [RegExp, string][] = [
  [/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/v, 'control characters'],
  [/\p{Bidi_C}/v, 'characters that change the direction of a text'],
  [/[\p{DI}\ufff9-\ufffb\u2800\u{1d159}]/v, 'invisible characters'],
];
const VISIBLE = /[^\s\p{Z}\p{C}\p{M}]|\p{Co}|\p{Cn}/v;
/** More than any language writes on one letter: they are drawn over what is above and below (UTS #39, section 5.4). */
const TOO_MANY_MARKS = /[\p{Mn}\p{Me}]{5}/v;

/**
 * Why people can not read a text as it is; undefined if they can: there is something to see in it, and nothing that is not seen.
 *
 * @param text in normal form C, and of a bounded length
 * @returns what follows the name of the field: `must not have invisible characters (U+200B)`
 */
export function unreadable(text: string): string | undefined {
  const left = text.replace(AT_WORK, '');
  for (const [characters, what] of UNREADABLE) {
    const [found] = characters.exec(left) ?? [];
    if (found !== undefined) return `must not have ${what} (${codePoint(found)})`;
  }
  if (!VISIBLE.test(text)) return 'must have a character that is seen';
  return TOO_MANY_MARKS.test(text) ? 'must not have more than 4 combining marks one after the other' : undefined;
}

const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
