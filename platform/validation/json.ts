/** A string, or one of the marks between names and values. A string that does not end is taken to the end, so that no text is read twice. */
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]/gs;

/** What is wrong with JSON that somebody sent. */
export type JsonFault =
  | { fault: 'syntax'; cause: unknown }
  | { fault: 'size' }
  | { fault: 'repeated'; name: string; value: unknown };

/**
 * Parses JSON that somebody sent. What a text costs afterwards grows with its values more than with its bytes, so they are counted
 * first. A name that an object has twice is refused, which `JSON.parse` passes over: whoever reads the first value may not be the
 * one who reads the last (RFC 8259 leaves it open which one counts).
 *
 * @param most how many values it may have: every list, object, string, number, boolean and null, at any depth
 */
export function parseJson(text: string, most: number): { value: unknown } | JsonFault {
  try {
    const { values, repeated } = scan(text, most);
    if (values > most) return { fault: 'size' };
    const value: unknown = JSON.parse(text);
    return repeated === undefined ? { value } : { fault: 'repeated', name: repeated, value };
  } catch (cause) {
    return { fault: 'syntax', cause };
  }
}

/** Goes through any text, JSON or not, until it has counted more than `most`. */
function scan(text: string, most: number): { values: number; repeated?: string | undefined } {
  /** The names of the objects that are open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let repeated: string | undefined;
  let mark = '';
  let values = 1;
  for (const [token] of text.matchAll(TOKEN)) {
    // The first value of a list or an object comes after its bracket, each other one after a comma.
    if ((token === '{' || token === '[' || token === ',') && ++values > most) break;
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token.startsWith('"') && (mark === '{' || mark === ',')) {
      const names = open.at(-1);
      const name = names && String(JSON.parse(token));
      if (name !== undefined && names?.has(name)) repeated ??= name;
      if (name !== undefined) names?.add(name);
    }
    mark = token;
  }
  return { values, repeated };
}
