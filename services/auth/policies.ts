import { readFileSync } from 'node:fs';
import { type EntityJson, preparseSchema, schemaToJson, statefulIsAuthorized, validate } from '@cedar-policy/cedar-wasm/nodejs';
import type { FieldViolation } from '#platform/errors.ts';
import { type Condition, nameIn, narrow, narrowTo, spellOut } from './conditions.ts';
import type { Policy, Role } from './domain.ts';
import { grantedBy, isTo, nowhere } from './groups/group.ts';
import { groupAttributes, standingIn } from './groups/in-cedar.ts';
import { type Tie, tiesAsked } from './groups/ties.ts';
import { conditionOf, NotListable, notListable } from './partial-evaluation.ts';
import { factsOf, faultOf, messages } from './policy-facts.ts';
import { type PolicySet, PolicySets, type RoleVersion } from './policy-sets.ts';
import { tooComplex } from './policy-text.ts';
import { kindOf, type Question, readerOf } from './question.ts';
import { NAMESPACE, uid } from './uid.ts';

const SCHEMA_NAME = 'musubi';

/** `open`: no policy permits it, and none forbids it. */
type PolicyDecision = 'allowed' | 'forbidden' | 'open';

/** `unknown`: the schema knows no such action on that type of resource, so nothing can permit it. */
type Refusal = 'denied' | 'unknown';
export type Decision = 'allowed' | Refusal;

/**
 * A decision, and the policies that made it: those that permit, or that forbid; none, where none permits. Of a group also the positions that
 * grant it: what is forbidden they do not.
 */
export interface Explanation {
  allowed: boolean;
  forbidden: boolean;
  policies: { roleId: string; policyId: string; ties: Tie[] }[];
  positions: { positionId: string; groupId: string }[];
}

/** Answers kept of one policy set: more than there are kinds of question that its policies tell apart in practice. */
export const ANSWERS_KEPT = 1_000;

/**
 * Decides by Cedar policies (https://docs.cedarpolicy.com): what no policy of the member's roles
 * permits is denied, and a `forbid` wins over every `permit`.
 *
 * Policies are parsed once per combination of roles and their versions, and action ({@link PolicySets}). Cedar is asked once for
 * each kind of question ({@link kindOf}) of it.
 */
export class Policies {
  readonly #schema: string;
  /** Action → the types of resource it can be done to. */
  readonly #actions: ReadonlyMap<string, ReadonlySet<string>>;
  /** Type → the types of what one of them can be in. */
  readonly #within: ReadonlyMap<string, readonly string[]>;
  readonly #sets: PolicySets;

  /** @param capacity policies kept parsed (about 2 kB each) */
  constructor(capacity = 8_000) {
    this.#sets = new PolicySets(capacity);
    this.#schema = readFileSync(new URL('cedar/schema.cedarschema', import.meta.url), 'utf8');
    const { actions, within } = readSchema(this.#schema);
    this.#actions = actions;
    this.#within = within;
    const parsed = preparseSchema(SCHEMA_NAME, this.#schema);
    if (parsed.type === 'failure') throw new Error(`Cedar schema: ${messages(parsed.errors)}`);
  }

  /** How many answers are remembered. */
  get kept(): number {
    return this.#sets.kept;
  }

  /** What is wrong with a role's policies, by field; empty if they can be stored. */
  violations(policies: readonly Policy[], path: string): FieldViolation[] {
    const seen = new Set<string>();
    return policies.flatMap(({ policyId, cedar }, index) => {
      const field = `${path}[${index}]`;
      if (seen.has(policyId)) return [{ field: `${field}.policyId`, message: `is there twice: ${policyId}` }];
      seen.add(policyId);
      const complex = tooComplex(cedar);
      if (complex !== undefined) return [{ field: `${field}.cedar`, message: complex }];
      const answer = validate({ schema: this.#schema, policies: { staticPolicies: { [policyId]: cedar } } });
      const errors = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error);
      // Of a condition that holds for no type of thing Cedar says so for each: one says it.
      const [error] = errors;
      if (error) return [{ field: `${field}.cedar`, message: faultOf(cedar, error) }];
      if (!this.#isAboutJobs(cedar) || !factsOf(cedar).looksBehindOwner) return [];
      return [{ field: `${field}.cedar`, message: 'must not ask in which role the owner of a job is: only who it is, is known' }];
    });
  }

  /** Whether a policy that has no {@link violations} says nothing of anything: what it is about is never done to the things that it names. */
  neverApplies({ policyId, cedar }: Policy): boolean {
    const answer = validate({ schema: this.#schema, policies: { staticPolicies: { [policyId]: cedar } } });
    return (
      answer.type === 'success' && answer.validationWarnings.some(({ error }) => error.message.includes('policy is impossible'))
    );
  }

  #isAboutJobs(cedar: string): boolean {
    const named = factsOf(cedar).actions ?? this.#actions.keys();
    return [...named].some((action) => this.#actions.get(action)?.has('Job'));
  }

  /** The policies that lists could not hold to, by field; of those that have no {@link violations}. */
  unlistable(policies: readonly Policy[], path: string): FieldViolation[] {
    return policies.flatMap(({ cedar }, index) => {
      const message = notListable(cedar);
      return message === undefined ? [] : [{ field: `${path}[${index}].cedar`, message }];
    });
  }

  /**
   * @param roles the roles that the member holds now
   * @param load reads those roles with their policies; called only for a combination that is not parsed yet
   */
  decide(question: Question, roles: readonly RoleVersion[], load: () => Promise<Role[]>): Promise<Decision> {
    return this.#answer(question, roles, load, (set) => {
      const kind = kindOf(question, set.strings);
      return withGrants(
        remembered(set.decisions, kind, () => this.#ask(question, roles, set.entry).decision),
        question,
      );
    });
  }

  /** Why something is allowed to who holds these roles, or is not. What our schema does not know, nothing allows. */
  async explain(question: Question, roles: readonly Role[]): Promise<Explanation> {
    const answer = await this.#answer(
      question,
      roles,
      async () => [...roles],
      ({ entry }) => this.#ask(question, roles, entry),
    );
    if (typeof answer === 'string') return { allowed: false, forbidden: false, policies: [], positions: [] };
    const policies = answer.by.map((name) => {
      const at = name.indexOf('/');
      const [roleId, policyId] = [name.slice(0, at), name.slice(at + 1)];
      const texts = roles.find(({ _id }) => _id === roleId)?.policies;
      const cedar = texts?.find((one) => one.policyId === policyId)?.cedar;
      return { roleId, policyId, ties: cedar === undefined ? [] : tiesAsked(cedar, question) };
    });
    const { place } = question.resource;
    return {
      allowed: withGrants(answer.decision, question) === 'allowed',
      forbidden: answer.decision === 'forbidden',
      policies,
      positions: place ? grantedBy(place, question.action) : [],
    };
  }

  /** The actions on a group that policies permit to who leads it. */
  leadersMay(policies: readonly Policy[]): string[] {
    const those = policies
      .map(({ cedar }) => factsOf(cedar))
      .filter(({ forbids, strings }) => !forbids && strings.includes('leaders'));
    return this.actionsOn('Group').filter((action) => those.some(({ actions }) => actions?.has(action) ?? true));
  }

  /** The actions that can be done to things of a type, in order. */
  actionsOn(type: string): string[] {
    return [...this.#actions].flatMap(([action, types]) => (types.has(type) ? [action] : [])).sort();
  }

  /**
   * What must hold of a thing, so that the member may read or list it.
   *
   * @param question of an action that only reads (`isReading`). Of the resource an ID or an owner that is empty is not known.
   * @param roles as of {@link decide}
   * @param load as of {@link decide}
   */
  seen(
    question: Question,
    roles: readonly RoleVersion[],
    load: () => Promise<Role[]>,
  ): Promise<Exclude<Condition, false> | Refusal> {
    return this.#answer(question, roles, load, (set) => {
      const { memberId, action, resource, everywhere } = question;
      const kept = remembered(set.conditions, readerOf(question, set.strings), () => ({
        memberId,
        condition: this.#evaluate(question, roles, set.texts),
      }));
      const left = narrow(nameIn(kept.condition, kept.memberId, memberId), resource);
      const { place } = resource;
      return (place ? narrowTo(left, place, action) : spellOut(left, everywhere ?? NOWHERE, action)) || 'denied';
    });
  }

  async #answer<Answer>(
    { action, resource }: Question,
    roles: readonly RoleVersion[],
    load: () => Promise<Role[]>,
    by: (set: PolicySet) => Answer,
  ): Promise<Answer | Refusal> {
    if (!this.#actions.get(action)?.has(resource.type)) return 'unknown';
    // Without a role, positions may still grant something.
    if (roles.length === 0 && resource.type !== 'Group') return 'denied';
    // Between finding the set and answering by it nothing may be awaited: another request could overwrite its entry.
    return by(this.#sets.find(roles, action) ?? this.#sets.of(await load(), action));
  }

  #ask(
    { memberId, action, resource, positionIds = [] }: Question,
    roles: readonly RoleVersion[],
    entry: string,
  ): { decision: PolicyDecision; by: string[] } {
    const principal = uid('Member', memberId);
    const target = uid(resource.type, resource.id);
    const attrs: EntityJson['attrs'] = {
      ...(resource.ownerId === '' ? {} : { owner: { __entity: uid('Member', resource.ownerId) } }),
      // Of no group that is named, nobody is anything to it.
      ...(resource.type === 'Group' ? groupAttributes(resource.place ?? nowhere(resource.id)) : {}),
    };
    const parents = [
      ...roles.map(({ _id }) => uid('Role', _id)),
      ...positionIds.map((id) => uid('Position', id)),
      ...(resource.place ? standingIn(resource.place, action) : []),
    ];
    const self = resource.type === 'Member' && resource.id === memberId;
    const entities: EntityJson[] = self
      ? [{ uid: principal, attrs, parents }]
      : [
          { uid: principal, attrs: { owner: { __entity: principal } }, parents },
          // Of what names itself as what it is in: Cedar has that so without being told.
          {
            uid: target,
            attrs,
            parents: resource.within.flatMap(({ type, id }) =>
              type === resource.type && id === resource.id ? [] : uid(type, id),
            ),
          },
        ];
    const answer = statefulIsAuthorized({
      principal,
      action: uid('Action', action),
      resource: target,
      context: {},
      preparsedSchemaName: SCHEMA_NAME,
      validateRequest: true,
      preparsedPolicySetId: entry,
      entities,
    });
    if (answer.type === 'failure') throw new Error(`Cedar could not decide: ${messages(answer.errors)}`);
    const { decision, diagnostics } = answer.response;
    // Cedar leaves out a policy that fails; it might have been the one that forbids.
    const failed = diagnostics.errors.map(({ policyId }) => policyId);
    if (failed.length > 0) return { decision: 'forbidden', by: failed };
    const { reason } = diagnostics;
    if (decision === 'allow') return { decision: 'allowed', by: reason };
    // It names what forbids; where nothing does, nothing permits.
    return { decision: reason.length > 0 ? 'forbidden' : 'open', by: reason };
  }

  #evaluate(
    { memberId, action, resource: { type }, positionIds = [] }: Question,
    roles: readonly RoleVersion[],
    policies: PolicySet['texts'],
  ) {
    const roleIds = roles.map(({ _id }) => _id);
    const within = this.#within.get(type) ?? [];
    try {
      return conditionOf({ memberId, roleIds, positionIds, action, type, within, policies });
    } catch (error) {
      // A part of a policy that fails is left as it stands. It might have been of the one that forbids.
      if (error instanceof NotListable) return false;
      throw error;
    }
  }
}

/** What positions grant is permitted, where no policy forbids it. */
function withGrants(decision: PolicyDecision, { action, resource: { place } }: Question): Decision {
  if (decision !== 'open') return decision === 'allowed' ? 'allowed' : 'denied';
  return place && isTo(place, 'granted', action) ? 'allowed' : 'denied';
}

const NOWHERE = { grounds: [], invitedTo: [] };

/** What a map has under a key, made and kept where it is missing; a full map begins again. */
function remembered<Answer>(kept: Map<string, Answer>, key: string, make: () => Answer): Answer {
  const known = kept.get(key);
  if (known !== undefined) return known;
  const made = make();
  if (kept.size >= ANSWERS_KEPT) kept.clear();
  kept.set(key, made);
  return made;
}

function readSchema(schema: string) {
  const read = schemaToJson(schema);
  if (read.type === 'failure') throw new Error(`Cedar schema: ${messages(read.errors)}`);
  const { actions = {}, entityTypes = {} } = read.json[NAMESPACE] ?? {};
  return {
    actions: new Map(Object.entries(actions).map(([name, { appliesTo }]) => [name, new Set(appliesTo?.resourceTypes ?? [])])),
    within: new Map(
      Object.entries(entityTypes).map(([type, entity]) => [type, ('memberOfTypes' in entity && entity.memberOfTypes) || []]),
    ),
  };
}
