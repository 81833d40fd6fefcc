import { type DetailedError, type Expr, type PolicyJson, policyToJson } from '@cedar-policy/cedar-wasm/nodejs';

/** What follows from a policy's text alone. */
export interface PolicyFacts {
  forbids: boolean;
  /** The actions that it is about; absent: all. */
  actions?: ReadonlySet<string>;
  /** Every string in it as Cedar reads them: the IDs that it mentions, and more, which does no harm. */
  strings: readonly string[];
  /**
   * Whether it looks at who asks in another way than by comparing it with the thing or the thing's owner: then it may permit to one holder
   * what it does not permit to another.
   */
  tellsHoldersApart: boolean;
  /** Whether it leaves things out: what it says of one group it may not say of another that is in it. */
  makesExceptions: boolean;
  /** Whether it asks more of an owner than who it is: in which role, or whose. */
  looksBehindOwner: boolean;
}

/** Texts whose facts are kept. One has up to 10 kB, but few are long. */
const KEPT = 2_000;
const kept = new Map<string, PolicyFacts>();
const UNREADABLE: PolicyFacts = {
  forbids: true,
  strings: [],
  tellsHoldersApart: true,
  makesExceptions: true,
  looksBehindOwner: true,
};

/**
 * The facts of a policy. They are kept, as reading a policy takes a third of a millisecond, and a change of one has all those read again
 * that its holders have. Of a text that Cedar can not read the worst is taken: it forbids, is about every action, and tells holders apart.
 */
export function factsOf(cedar: string): PolicyFacts {
  const known = kept.get(cedar);
  if (known) return known;
  const read = policyToJson(cedar);
  const facts = read.type === 'failure' ? UNREADABLE : factsIn(read.json);
  if (kept.size >= KEPT) kept.clear();
  kept.set(cedar, facts);
  return facts;
}

/** What Cedar says of what is wrong. */
export const messages = (errors: readonly DetailedError[]): string =>
  errors.map(({ message, help }) => (help ? `${message} (${help})` : message)).join('; ');

/** How Cedar begins a message about a policy: by the ID that it was asked with, which its author has not given. */
const ABOUT = /^(?:for policy `[^`]*`, |failed to parse policy with id `[^`]*` from string: )/;

/** What Cedar finds wrong with a policy's text, for its author: where, what, and what would be right. */
export function faultOf(cedar: string, { message, help, sourceLocations }: DetailedError): string {
  const [at] = sourceLocations ?? [];
  const hints = [at?.label, help].filter((hint) => hint !== null && hint !== undefined && hint !== '');
  const what = `${message.replace(ABOUT, '')}${hints.length > 0 ? ` (${hints.join('; ')})` : ''}`;
  return at ? `is not valid at ${placeOf(cedar, at.start)}: ${what}` : `is not valid: ${what}`;
}

/** Where a byte of a text is, for those who see lines and characters. */
function placeOf(text: string, byte: number): string {
  const lines = Buffer.from(text).subarray(0, byte).toString().split('\n');
  return `line ${lines.length}, character ${[...(lines.at(-1) ?? '')].length + 1}`;
}

function factsIn(policy: PolicyJson): PolicyFacts {
  const actions = actionsOf(policy.action);
  return {
    forbids: policy.effect === 'forbid',
    ...(actions ? { actions: new Set(actions) } : {}),
    strings: [...new Set(stringsOf(policy))],
    tellsHoldersApart: policy.principal.op !== 'All' || policy.conditions.some(({ body }) => tellsApart(body)),
    makesExceptions: policy.conditions.some(({ kind, body }) => kind === 'unless' || negates(body)),
    looksBehindOwner: policy.conditions.some(({ body }) => looksBehind(body)),
  };
}

/** The actions of a policy's scope; undefined: all. There are no groups of actions. */
export function actionsOf(action: PolicyJson['action']): string[] | undefined {
  if (action.op === 'All') return undefined;
  const named = 'entities' in action ? action.entities : 'entity' in action ? [action.entity] : [];
  return named.map((one) => ('__entity' in one ? one.__entity : one).id);
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

/** Whether an expression can hold because something else does not. */
function negates(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return false;
  const isTruth = (value: Expr | undefined): boolean => typeof (value as { Value?: unknown } | undefined)?.Value === 'boolean';
  return Object.entries(expression).some(([name, part]: [string, { left?: Expr; right?: Expr } | undefined]) => {
    if (name === '!' || name === '!=' || name === 'if-then-else') return true;
    return (name === '==' && (isTruth(part?.left) || isTruth(part?.right))) || negates(part);
  });
}

function looksBehind(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return false;
  const parts = expression as Record<string, { left?: unknown; in?: unknown } | undefined>;
  const isIn = parts.is?.in === undefined ? undefined : parts.is;
  const asked = [parts.in, parts.has, parts['.'], isIn].map((one) => one?.left);
  return asked.some(namesOwner) || Object.values(expression).some(looksBehind);
}

function namesOwner(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return false;
  const { attr } = ((expression as Record<string, unknown>)['.'] ?? {}) as { attr?: unknown };
  return attr === 'owner' || Object.values(expression).some(namesOwner);
}

const isVar = (value: unknown, name: string): boolean => (value as { Var?: unknown } | undefined)?.Var === name;

/** Whether an expression is the resource, or its owner. */
function isResourceOrOwner(value: Expr | undefined): boolean {
  const part = (value as { '.'?: { left?: Expr; attr?: unknown } } | undefined)?.['.'];
  return isVar(value, 'resource') || (part?.attr === 'owner' && isVar(part.left, 'resource'));
}

/** Whether it looks at who asks, other than by comparing it with the resource or its owner. */
function tellsApart(expression: unknown): boolean {
  if (typeof expression !== 'object' || expression === null) return false;
  if (isVar(expression, 'principal')) return true;
  const { left, right } = ((expression as Record<string, unknown>)['=='] ?? {}) as { left?: Expr; right?: Expr };
  if (isVar(left, 'principal') && isResourceOrOwner(right)) return false;
  if (isVar(right, 'principal') && isResourceOrOwner(left)) return false;
  return Object.values(expression).some(tellsApart);
}
