import { type Expr, isAuthorizedPartial, type PolicyJson, policyToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { allOf, anyOf, type ByRelation, type Condition, not, type Reference } from './conditions.ts';
import type { Relation } from './groups/group.ts';
import { actionsOf } from './policy-facts.ts';
import { NAMESPACE, uid } from './uid.ts';

/** A policy asks for more of a thing than a list can look at. */
export class NotListable extends Error {
  override name = 'NotListable';
}

/**
 * Whether an action only reads or lists, be it who is in a group: then its policies must leave conditions that a query can carry, as the groups of
 * a member are listed by that.
 */
export const isReading = (action: string): boolean => /\.(?:read|list|list-members)$/.test(action);

/** A kind of things. */
interface Kind {
  /** "Member" */
  type: string;
  /** The types of what one of them can be in, as the schema has them. */
  within: readonly string[];
}

/** What the conditions of one member are made from. */
interface Partial extends Kind {
  memberId: string;
  roleIds: readonly string[];
  /** Of the positions that the member holds, at least those that the policies mention. */
  positionIds: readonly string[];
  action: string;
  /** Cedar text by the policies' IDs. */
  policies: Readonly<Record<string, string>>;
}

/**
 * Which things of a kind a member may do this to: Cedar's partial evaluation, with the thing left open
 * (https://docs.rs/cedar-policy, `is_authorized_partial`).
 *
 * @returns false when a policy fails: it might have been the one that forbids
 * @throws NotListable where {@link notListable} would have said so, or a part of a policy fails that hangs on the thing
 */
export function conditionOf({ memberId, roleIds, positionIds, action, policies, ...kind }: Partial): Condition<ByRelation> {
  const principal = uid('Member', memberId);
  const answer = isAuthorizedPartial({
    principal,
    action: uid('Action', action),
    resource: null,
    context: {},
    policies: { staticPolicies: policies },
    entities: [
      {
        uid: principal,
        attrs: { owner: { __entity: principal } },
        parents: [...roleIds.map((id) => uid('Role', id)), ...positionIds.map((id) => uid('Position', id))],
      },
    ],
  });
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
  const { residuals, errored } = answer.response;
  if (errored.length > 0) return false;
  const of = (effect: PolicyJson['effect']): Condition<ByRelation> =>
    anyOf(
      Object.values(residuals)
        .filter((residual) => residual.effect === effect)
        .map(({ conditions }) =>
          allOf(
            conditions.map((one) => {
              const condition = readCondition(one.body, kind);
              return one.kind === 'when' ? condition : not(condition);
            }),
          ),
        ),
    );
  // What positions grant is permitted beside what policies permit; a policy that forbids wins over both.
  const permitted = kind.type === 'Group' ? anyOf([of('permit'), GRANTED]) : of('permit');
  return allOf([permitted, not(of('forbid'))]);
}

const GRANTED: ByRelation = { to: 'granted' };

/** One kind of expression: `{"==": {left, right}}` */
type Operands = {
  left?: Expr;
  right?: Expr;
  arg?: Expr;
  attr?: unknown;
  entity_type?: string;
  in?: Expr;
  if?: Expr;
  then?: Expr;
  else?: Expr;
};

const operator = (expression: Expr): [name: string, operands: Operands] => Object.entries(expression)[0] as [string, Operands];

function readCondition(expression: Expr, kind: Kind): Condition<ByRelation> {
  const { type } = kind;
  const read = (one: Expr | undefined): Condition<ByRelation> => readCondition(one as Expr, kind);
  const [name, of] = operator(expression);
  switch (name) {
    case 'Value':
      if (typeof of === 'boolean') return of;
      break;
    case '&&':
      return allOf([read(of.left), read(of.right)]);
    case '||':
      return anyOf([read(of.left), read(of.right)]);
    case '!':
      return not(read(of.arg));
    case 'if-then-else': {
      const condition = read(of.if);
      return anyOf([allOf([condition, read(of.then)]), allOf([not(condition), read(of.else)])]);
    }
    case '==':
    case '!=': {
      const [term, value] = termOf(of.left) ? [of.left, of.right] : [of.right, of.left];
      const same = equals(term, references(value), type);
      return name === '==' ? same : not(same);
    }
    case 'in': {
      const to = relationOf(of.right);
      // Whoever else is named is not who asks: only of that one it is known what it is to a group.
      if (to) return { to };
      const term = termOf(of.left);
      const all = references(of.right);
      if (term !== 'it') break;
      const above = all.filter((one) => kind.within.includes(one.type));
      return anyOf([equals(of.left, all, type), above.length > 0 && { in: above }]);
    }
    case 'is':
      if (termOf(of.left) !== 'it') break;
      return allOf([
        of.entity_type === `${NAMESPACE}::${type}`,
        ...(of.in ? [read({ in: { left: of.left, right: of.in } } as Expr)] : []),
      ]);
    case 'has':
      if (termOf(of.left) === 'it' && [of.attr].flat().join('.') === 'owner') return { hasOwner: true };
      break;
    case 'contains':
      return equals(of.right, references(of.left), type);
    case '.':
      if (termOf(of.left) === 'it' && of.attr === 'findable') return { findable: true };
      break;
    default:
  }
  throw new NotListable(`a list can not look at "${name}"`);
}

const RELATIONS: Readonly<Record<string, Relation>> = { members: 'member', leaders: 'leader', invited: 'invited' };

/** What who is in this is to the thing, where it is one of a group's attributes. */
function relationOf(expression: Expr | undefined): Relation | undefined {
  const part = expression && operator(expression);
  return part?.[0] === '.' && termOf(part[1].left) === 'it' ? RELATIONS[String(part[1].attr)] : undefined;
}

/** Whether an expression is who asks, in a policy. */
const isPrincipal = (expression: Expr | undefined): boolean => (expression as { Var?: unknown } | undefined)?.Var === 'principal';

/** Whether it, or its owner, is one of these. */
function equals(term: Expr | undefined, all: readonly Reference[], type: string): Condition {
  const of = termOf(term);
  if (!of) throw new NotListable('a list can compare a thing and its owner with what is known, and nothing else');
  const ids = all.filter((one) => one.type === (of === 'it' ? type : 'Member')).map(({ id }) => id);
  if (ids.length === 0) return false;
  return of === 'it' ? { ids } : { owners: ids };
}

/** Whether an expression is the thing itself, or its owner. */
function termOf(expression: Expr | undefined): 'it' | 'owner' | undefined {
  if (!expression) return undefined;
  const [name, of] = operator(expression);
  if (name === 'unknown' || (name === 'Var' && (of as unknown) === 'resource')) return 'it';
  return name === '.' && of.attr === 'owner' && termOf(of.left) === 'it' ? 'owner' : undefined;
}

/** The references of a value, or of a set of them. */
function references(expression: Expr | undefined): Reference[] {
  const [name, of] = operator(expression as Expr);
  if (name === 'Set') return (of as unknown as Expr[]).flatMap(references);
  const values = name === 'Value' ? [of as unknown].flat() : [undefined];
  return values.map((value) => {
    const entity = (value as { __entity?: Reference } | undefined)?.__entity;
    if (!entity) throw new NotListable('a list can compare a thing with references only');
    return { type: entity.type.replace(`${NAMESPACE}::`, ''), id: entity.id };
  });
}

/**
 * Why lists could not hold to a policy, whoever asks and for whichever thing; undefined if they can, or if it is about no
 * action that reads or lists. It looks at the policy's form, so that what is stored never surprises a list later.
 *
 * @param cedar one policy, which is valid
 */
export function notListable(cedar: string): string | undefined {
  const read = policyToJson(cedar);
  if (read.type === 'failure') throw new Error(read.errors.map(({ message }) => message).join('; '));
  if (!mayBeReading(read.json.action)) return undefined;
  for (const { body } of read.json.conditions) {
    const problem = problemOf(body);
    if (problem) return problem;
    if (depthOf(body) > DEEPEST) return `must not have conditions within each other deeper than ${DEEPEST}, as lists go by it`;
  }
  return undefined;
}

const mayBeReading = (action: PolicyJson['action']): boolean => actionsOf(action)?.some(isReading) ?? true;

/** What a query's statement takes (100, `services/query/seen.ts`) is more: a policy's condition stands within those of all policies. */
const DEEPEST = 64;

/** How deep the conditions within each other are that {@link readCondition} makes of an expression, at most. */
function depthOf(expression: Expr | undefined, within?: string): number {
  // What says nothing of the resource is evaluated away.
  if (!expression || !mentionsResource(expression)) return 0;
  const [name, of] = operator(expression);
  const deepest = (...parts: (Expr | undefined)[]): number => Math.max(...parts.map((part) => depthOf(part, name)));
  switch (name) {
    case '&&':
    case '||':
      // A chain of them is one condition of many.
      return (name === within ? 0 : 1) + deepest(of.left, of.right);
    case '!':
      return 1 + deepest(of.arg);
    case 'if-then-else':
      return 2 + Math.max(1 + deepest(of.if), deepest(of.then, of.else));
    default:
      return 1;
  }
}

function problemOf(expression: Expr): string | undefined {
  if (!mentionsResource(expression)) return undefined;
  const [name, of] = operator(expression);
  const every = (...parts: (Expr | undefined)[]): string | undefined => {
    for (const part of parts) {
      const problem = part && problemOf(part);
      if (problem) return problem;
    }
    return undefined;
  };
  const isKnown = (one: Expr | undefined): boolean => one !== undefined && !mentionsResource(one);
  switch (name) {
    case '&&':
    case '||':
      return every(of.left, of.right);
    case '!':
      return every(of.arg);
    case 'if-then-else':
      return every(of.if, of.then, of.else);
    case '==':
    case '!=':
      if ((termOf(of.left) && isKnown(of.right)) || (termOf(of.right) && isKnown(of.left))) return undefined;
      break;
    case 'in':
      if (termOf(of.left) === 'it' && isKnown(of.right)) return undefined;
      if (isPrincipal(of.left) && relationOf(of.right)) return undefined;
      break;
    case '.':
      if (termOf(of.left) === 'it' && of.attr === 'findable') return undefined;
      break;
    case 'is':
      if (termOf(of.left) === 'it' && (!of.in || isKnown(of.in))) return undefined;
      break;
    case 'has':
      if (termOf(of.left) === 'it' && [of.attr].flat().join('.') === 'owner') return undefined;
      break;
    case 'contains':
      if (isKnown(of.left) && termOf(of.right)) return undefined;
      break;
    default:
  }
  return `must not ask this of a resource, as lists go by it: "${name}"`;
}

function mentionsResource(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, part]) => (key === 'Var' && part === 'resource') || mentionsResource(part));
}
