/** A string, or one of the marks between which names and values stand. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** A name that an object of the JSON text has twice, which `JSON.parse` passes over (RFC 8259 leaves it open which value counts). */
export function repeatedName(json: string): string | undefined {
  /** The names of the objects that are open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let mark = '';
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token.startsWith('"') && (mark === '{' || mark === ',')) {
      const names = open.at(-1);
      const name = names && String(JSON.parse(token));
      if (name !== undefined && names?.has(name)) return name;
      if (name !== undefined) names?.add(name);
    }
    mark = token;
  }
  return undefined;
}
