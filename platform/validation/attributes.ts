import { z } from 'zod';
import type { FieldCode } from '../problems.ts';
import { unreadable } from './readable.ts';

/** What a member has beside the fields that every member has: JSON, whose strings are in normal form C. Nothing in it is null. */
export type Attributes = { [name: string]: unknown };

/** How much JSON a field may hold. */
interface Bounds {
  /** As JSON in UTF-8. */
  bytes: number;
  /** Objects and lists within each other. */
  depth: number;
  /** Objects, lists, strings, numbers and booleans, at any depth. */
  values: number;
}

/** Of the attributes of one member. */
export const ATTRIBUTE_BOUNDS: Bounds = { bytes: 8_192, depth: 5, values: 200 };
/** Of the JSON Schema that attributes must fit. */
const SCHEMA_BOUNDS: Bounds = { bytes: 16_384, depth: 16, values: 600 };

/** The schema where nobody has set one: there are no attributes. */
export const NO_ATTRIBUTES = { type: 'object', additionalProperties: false };

/** The names of attributes: none that means something else to a program (`__proto__`). */
export const ATTRIBUTE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const NAME_RULE = 'must be named by a letter and at most 63 letters, digits or _';

interface Fault {
  path: (string | number)[];
  code: FieldCode;
  message: string;
}

interface Look {
  bounds: Bounds;
  /** What a name must be. */
  names: RegExp;
  /** Whether an object may have null: what a merge patch removes. */
  nulls: boolean;
}

const fault = (path: Fault['path'], code: FieldCode, message: string): Fault => ({ path, code, message });

/** Copies bounded JSON with its strings in normal form C, or says what is wrong with it. */
function tidy(value: unknown, { bounds, names, nulls }: Look): { value: unknown } | Fault {
  let values = 0;
  const walk = (one: unknown, path: Fault['path'], inObject: boolean): unknown => {
    if (++values > bounds.values) throw fault([], 'TOO_LONG', `must have at most ${bounds.values} values`);
    if (typeof one === 'string') return tidyText(one, path);
    if (one === null && nulls && inObject) return null;
    if (one === null) throw fault(path, 'WRONG_TYPE', 'must not be null; leave it out');
    if (typeof one !== 'object') return one;
    if (path.length >= bounds.depth) throw fault(path, 'TOO_LONG', `must not be nested deeper than ${bounds.depth}`);
    if (Array.isArray(one)) return one.map((item, index) => walk(item, [...path, index], false));
    return Object.fromEntries(
      Object.entries(one).map(([name, item]) => {
        if (!names.test(name)) throw fault(path, 'WRONG_FORMAT', NAME_RULE);
        return [name, walk(item, [...path, name], true)];
      }),
    );
  };
  try {
    const copy = walk(value, [], false);
    const fits = Buffer.byteLength(JSON.stringify(copy)) <= bounds.bytes;
    return fits ? { value: copy } : fault([], 'TOO_LONG', `must have at most ${bounds.bytes} bytes as JSON`);
  } catch (thrown) {
    if (thrown instanceof Error) throw thrown;
    return thrown as Fault;
  }
}

/** A text of several lines, which may be empty. */
const LINE_ENDS = /[\t\n]/g;
const LONGEST_TEXT = 2_000;

function tidyText(given: string, path: Fault['path']): string {
  if (given.length > LONGEST_TEXT) throw fault(path, 'TOO_LONG', `must have at most ${LONGEST_TEXT} characters`);
  const text = given.normalize('NFC');
  const message = text.trim() === '' ? undefined : unreadable(text.replace(LINE_ENDS, ' '));
  if (message !== undefined) throw fault(path, 'WRONG_FORMAT', message);
  return text;
}

/** An object of bounded JSON. */
function json(look: Look) {
  return z.unknown().transform((given, context): Attributes => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      const missing = given === undefined;
      const params = { code: missing ? 'REQUIRED' : 'WRONG_TYPE' };
      context.addIssue({ code: 'custom', message: missing ? 'is missing' : 'must be an object', params });
      return z.NEVER;
    }
    const tidied = tidy(given, look);
    if ('value' in tidied) return tidied.value as Attributes;
    const { path, code, message } = tidied;
    context.addIssue({ code: 'custom', path, message, params: { code } });
    return z.NEVER;
  });
}

const described = (description: string, { bytes, depth, values }: Bounds) => ({
  description: `${description} At most ${bytes} bytes as JSON, ${values} values and ${depth} levels.`,
  override: { type: 'object' as const, additionalProperties: true },
});

const DESCRIPTION = 'What the schema at /v1/member-schema has.';
const ofAttributes = { bounds: ATTRIBUTE_BOUNDS, names: ATTRIBUTE_NAME };

/** Attributes as they are kept; whether they fit the schema, the Member service says. */
export const attributes = json({ ...ofAttributes, nulls: false }).meta({
  ...described(DESCRIPTION, ATTRIBUTE_BOUNDS),
  examples: [{ department: 'R&D' }],
});

/** A merge patch (RFC 7396) of attributes: what it has null for is removed. */
export const attributesPatch = json({ ...ofAttributes, nulls: true }).meta({
  ...described(`${DESCRIPTION} A merge patch: what is null is removed.`, ATTRIBUTE_BOUNDS),
  examples: [{ department: 'Sales', room: null }],
});

/** A JSON Schema as far as its size goes; whether it is one that can be set, the Member service says. */
export const boundedSchema = json({ bounds: SCHEMA_BOUNDS, names: /^[$A-Za-z][A-Za-z0-9_]{0,63}$/, nulls: false }).meta({
  ...described('A JSON Schema (2020-12) of an object.', SCHEMA_BOUNDS),
  examples: [{ type: 'object', properties: { department: { type: 'string', maxLength: 50 } }, additionalProperties: false }],
});

/** A merge patch applied (RFC 7396). Neither is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

const isObject = (value: unknown): value is Attributes => typeof value === 'object' && value !== null && !Array.isArray(value);
