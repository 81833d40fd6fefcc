import { z } from 'zod';
import { invalidFields } from '../errors.ts';
import { sameId } from './id.ts';

// What a list shows only, as clients write it: comparisons joined by AND, `visibility = "open" AND createdAt >= "2026-01-01T00:00:00Z"`.
// It is a small part of AIP-160 (https://google.aip.dev/160), and what is in it means the same there.

const OPERATORS = ['=', '!=', '<', '<=', '>', '>='] as const;
export type Operator = (typeof OPERATORS)[number];
const EQUALITY: readonly Operator[] = ['=', '!='];

/** What a field can be compared with: any text, in the order of names; an ID; a time; true or false; one of some words. */
export type FilterField = 'text' | 'id' | 'time' | 'flag' | readonly string[];
/** The fields of a list that can be compared. */
export type FilterFields = Readonly<Record<string, FilterField>>;

/** One comparison. */
export interface Term {
  field: string;
  operator: Operator;
  /** A time, if the field is one. */
  value: string | boolean | Date;
}

const LONGEST = 1_000;
const MOST_TERMS = 10;

/** A name, an operator, and a value in quotes or a word; with what may be between them. */
const TOKEN =
  /\s*(?:(?<word>[^\s"'=!<>()]+)|(?<operator>!=|<=|>=|=|<|>)|(?<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<other>\S))/y;
interface Token {
  kind: 'word' | 'operator' | 'quoted' | 'other' | 'end';
  text: string;
  /** Counted in characters from 1 on. */
  at: number;
}

/** Where a filter is wrong, and how to mend it. */
class Fault extends Error {}
const fault = ({ at, kind }: Token, must: string): Fault =>
  new Fault(`must have ${must} ${kind === 'end' ? 'at its end' : `at character ${at}`}`);

/** Goes through a filter token by token. */
function* tokensOf(text: string): Generator<Token, never> {
  const scan = new RegExp(TOKEN);
  for (;;) {
    const from = scan.lastIndex;
    const groups = scan.exec(text)?.groups;
    if (!groups) break;
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined) as [Token['kind'], string];
    yield { kind, text: found, at: [...text.slice(0, text.indexOf(found, from))].length + 1 };
  }
  for (;;) yield { kind: 'end', text: '', at: 0 };
}

function termsOf(text: string, fields: FilterFields): Term[] {
  const tokens = tokensOf(text);
  const terms: Term[] = [];
  for (;;) {
    if (terms.length === MOST_TERMS) throw new Fault(`must have at most ${MOST_TERMS} comparisons`);
    terms.push(termOf(() => tokens.next().value, fields));
    const next = tokens.next().value;
    if (next.kind === 'end') return terms;
    if (next.kind !== 'word' || next.text !== 'AND')
      throw fault(next, 'AND and another comparison (OR, NOT and brackets are not understood)');
  }
}

function termOf(next: () => Token, fields: FilterFields): Term {
  const name = next();
  const field = name.kind === 'word' && Object.hasOwn(fields, name.text) ? fields[name.text] : undefined;
  if (field === undefined) throw fault(name, `one of the fields ${Object.keys(fields).join(', ')}`);
  const sign = next();
  const operators = field === 'text' || field === 'time' ? OPERATORS : EQUALITY;
  const operator = operators.find((one) => sign.kind === 'operator' && one === sign.text);
  if (!operator) throw fault(sign, `one of ${operators.join(' ')} after ${name.text}`);
  const given = next();
  const word = given.kind === 'quoted' ? given.text.slice(1, -1).replace(/\\(.)/gs, '$1') : given.text;
  const value = given.kind === 'quoted' || given.kind === 'word' ? parsedValue(field, word) : undefined;
  if (value === undefined) throw fault(given, `${inWords(field)} for ${name.text}`);
  return { field: name.text, operator, value };
}

const time = z.iso.datetime({ offset: true });

function parsedValue(field: FilterField, text: string): Term['value'] | undefined {
  // In the form in which names and IDs are kept, however they were written.
  if (field === 'text') return text.normalize('NFC');
  if (field === 'id') return sameId(text);
  if (field === 'flag') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (field !== 'time') return field.includes(text) ? text : undefined;
  return time.safeParse(text).success ? new Date(text) : undefined;
}

function inWords(field: FilterField): string {
  if (field === 'text') return 'a text in quotes';
  if (field === 'id') return 'an ID';
  if (field === 'time') return 'a time as "2026-01-01T00:00:00Z"';
  return field === 'flag' ? 'true or false' : `one of ${field.join(', ')}`;
}

/** A filter as a parameter of a list with these fields. */
export const filterRule = (fields: FilterFields) =>
  z
    .string()
    .min(1)
    .max(LONGEST)
    .superRefine((text, { addIssue }) => {
      const wrong = wrongIn(text, fields);
      if (wrong !== undefined) addIssue({ code: 'custom', message: wrong, params: { code: 'WRONG_FORMAT' } });
    })
    .meta({
      description: `Only those of which all of this holds: comparisons of ${named(fields)} by \`=\`, \`!=\` (texts and times also by \`<\`, \`<=\`, \`>\`, \`>=\`), joined by \`AND\`; at most ${MOST_TERMS} (a part of AIP-160). A text is compared whole, upper and lower case being different`,
    });

/** The fields with what they are compared with: `archived` (true or false). */
const named = (fields: FilterFields): string =>
  Object.entries(fields)
    .map(([name, field]) => `\`${name}\` (${inWords(field)})`)
    .join(', ');

function wrongIn(text: string, fields: FilterFields): string | undefined {
  if (/\p{Cc}/u.test(text)) return 'must have no control characters';
  try {
    termsOf(text, fields);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

/**
 * The comparisons that a filter is of; none for an empty one.
 *
 * @throws INVALID_ARGUMENT, which says where it is wrong and what there is
 */
export function parseFilter(text: string, fields: FilterFields): Term[] {
  if (text === '') return [];
  const wrong = text.length > LONGEST ? `must have at most ${LONGEST} characters` : wrongIn(text, fields);
  if (wrong !== undefined) throw invalidFields([{ field: 'filter', code: 'WRONG_FORMAT', message: wrong }]);
  return termsOf(text, fields);
}
