/** How deep brackets may nest, and how many operators a policy may have. Cedar's own parser and evaluator overflow their stack at about twice as many. */
const DEEPEST = 32;
const MOST_OPERATORS = 250;

/** Strings and comments, in which anything may stand; brackets; operators, of which each may nest what is beside it. */
const TOKEN = /"(?:[^"\\]|\\.)*"?|\/\/[^\n]*|[([{]|[)\]}]|&&|\|\||[<>=!]=|[-+*.<>!]|\b(?:if|in|is|has|like)\b/g;

/**
 * Why a policy is too complex to be handed to Cedar; undefined: it is not. Cedar runs as WebAssembly: a stack that overflows there
 * leaves nothing that could be used any more.
 */
export function tooComplex(cedar: string): string | undefined {
  let depth = 0;
  let operators = 0;
  for (const [token] of cedar.matchAll(TOKEN)) {
    if ('([{'.includes(token)) depth++;
    else if (')]}'.includes(token)) depth--;
    else if (!token.startsWith('"') && !token.startsWith('//')) operators++;
    if (depth > DEEPEST) return `must not nest brackets deeper than ${DEEPEST}`;
    if (operators > MOST_OPERATORS) return `must have at most ${MOST_OPERATORS} operators: write several policies`;
  }
  return undefined;
}
