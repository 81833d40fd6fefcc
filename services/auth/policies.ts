import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type DetailedError,
  type EntityJson,
  type EntityUidJson,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  schemaToJson,
  statefulIsAuthorized,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { FieldViolation } from '#platform/errors.ts';
import type { Policy, Role } from './domain.ts';

const NAMESPACE = 'Musubi';
const SCHEMA_NAME = 'musubi';

/** One question: may this member do that to this? */
export interface Question {
  memberId: string;
  action: string;
  resource: { type: string; id: string; ownerId: string };
}

/** `unknown`: the schema knows no such action on that type of resource, so nothing can permit it. */
export type Decision = 'allowed' | 'denied' | 'unknown';

/** A role as far as it identifies what it permits. */
export type RoleVersion = Pick<Role, '_id' | 'version'>;

/** Decisions kept of one combination of roles: more kinds of question than policies of any size tell apart in practice. */
const DECISIONS_KEPT = 1_000;

/** A combination of roles, with its policies parsed. */
interface PolicySet {
  /** Where Cedar's cache has them. */
  entry: string;
  /** Every string that stands in them. */
  strings: ReadonlySet<string>;
  /** What was decided by them, by the kind of question. */
  decisions: Map<string, Decision>;
}

/**
 * Decides by Cedar policies (https://docs.cedarpolicy.com): what no policy of the member's roles
 * permits is denied, and a `forbid` wins over every `permit`.
 *
 * Policies are parsed once per combination of roles and their versions. Cedar's own cache can't
 * forget, only overwrite: so the combinations used last share a fixed number of its entries.
 *
 * Cedar is asked once for each kind of question ({@link kindOf}) of a combination.
 */
export class Policies {
  /** Cedar's cache is one for the whole process. */
  readonly #name = randomUUID();
  readonly #schema: string;
  /** Action → the types of resource it can be done to. */
  readonly #actions: ReadonlyMap<string, ReadonlySet<string>>;
  /** By the combination of roles; least recently used first. */
  readonly #sets = new Map<string, PolicySet>();
  readonly #capacity: number;

  /** @param capacity combinations of roles kept parsed (about 60 kB each for 30 policies) */
  constructor(capacity = 256) {
    this.#capacity = capacity;
    this.#schema = readFileSync(new URL('cedar/schema.cedarschema', import.meta.url), 'utf8');
    this.#actions = readActions(this.#schema);
    const parsed = preparseSchema(SCHEMA_NAME, this.#schema);
    if (parsed.type === 'failure') throw new Error(`Cedar schema: ${messages(parsed.errors)}`);
  }

  /** How many decisions are remembered. */
  get kept(): number {
    return [...this.#sets.values()].reduce((sum, { decisions }) => sum + decisions.size, 0);
  }

  /** What is wrong with a role's policies, by field; empty if they can be stored. */
  violations(policies: readonly Policy[], path: string): FieldViolation[] {
    const seen = new Set<string>();
    return policies.flatMap(({ policyId, cedar }, index) => {
      const field = `${path}[${index}]`;
      if (seen.has(policyId)) return [{ field: `${field}.policyId`, message: `is there twice: ${policyId}` }];
      seen.add(policyId);
      const answer = validate({ schema: this.#schema, policies: { staticPolicies: { [policyId]: cedar } } });
      const errors = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error);
      return errors.length === 0 ? [] : [{ field: `${field}.cedar`, message: messages(errors) }];
    });
  }

  /**
   * @param roles the roles that the member holds now
   * @param load reads those roles with their policies; called only for a combination that is not parsed yet
   */
  async decide(question: Question, roles: readonly RoleVersion[], load: () => Promise<Role[]>): Promise<Decision> {
    if (!this.#actions.get(question.action)?.has(question.resource.type)) return 'unknown';
    if (roles.length === 0) return 'denied';
    // Between finding the entry and asking Cedar nothing may be awaited: another request could overwrite it.
    const set = this.#find(roles) ?? this.#parse(await load());
    const kind = kindOf(question, set.strings);
    const known = set.decisions.get(kind);
    if (known) return known;
    const decision = this.#ask(question, roles, set.entry);
    if (set.decisions.size >= DECISIONS_KEPT) set.decisions.clear();
    set.decisions.set(kind, decision);
    return decision;
  }

  #find(roles: readonly RoleVersion[]): PolicySet | undefined {
    const combination = nameOf(roles);
    const set = this.#sets.get(combination);
    if (set === undefined) return undefined;
    this.#sets.delete(combination);
    this.#sets.set(combination, set);
    return set;
  }

  #parse(roles: readonly Role[]): PolicySet {
    const known = this.#find(roles);
    if (known !== undefined) return known;
    const staticPolicies: Record<string, string> = {};
    for (const role of roles) {
      for (const { policyId, cedar } of role.policies) staticPolicies[`${role._id}/${policyId}`] = cedar;
    }
    const oldest = this.#sets.size < this.#capacity ? undefined : this.#sets.entries().next().value;
    const entry = oldest?.[1].entry ?? `${this.#name}/${this.#sets.size}`;
    const parsed = preparsePolicySet(entry, { staticPolicies });
    // Then the entry still holds what it held.
    if (parsed.type === 'failure') throw new Error(`stored policies do not parse: ${messages(parsed.errors)}`);
    if (oldest) this.#sets.delete(oldest[0]);
    const set = { entry, strings: stringsOf(Object.values(staticPolicies)), decisions: new Map() };
    this.#sets.set(nameOf(roles), set);
    return set;
  }

  #ask({ memberId, action, resource }: Question, roles: readonly RoleVersion[], entry: string): Decision {
    const principal = uid('Member', memberId);
    const target = uid(resource.type, resource.id);
    const attrs: EntityJson['attrs'] = resource.ownerId === '' ? {} : { owner: { __entity: uid('Member', resource.ownerId) } };
    const parents = roles.map(({ _id }) => uid('Role', _id));
    const self = resource.type === 'Member' && resource.id === memberId;
    const entities: EntityJson[] = self
      ? [{ uid: principal, attrs, parents }]
      : [
          { uid: principal, attrs: {}, parents },
          { uid: target, attrs: resource.type === 'System' ? {} : attrs, parents: [] },
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
    return decision === 'allow' && diagnostics.errors.length === 0 ? 'allowed' : 'denied';
  }
}

/**
 * Everything of a question that a decision by these policies can depend on: action and type, which of member, resource and
 * owner are the same, and those of their IDs that stand in a policy. To Cedar an ID is only a name: two that no policy
 * mentions are the same to it.
 */
function kindOf({ memberId, action, resource }: Question, strings: ReadonlySet<string>): string {
  const { type, id, ownerId } = resource;
  const named = (name: string): string | undefined => (strings.has(name) ? `=${name}` : undefined);
  const self = type === 'Member' && id === memberId;
  const owned = ownerId === memberId ? 'member' : type === 'Member' && ownerId === id ? 'resource' : 'other';
  return JSON.stringify([
    action,
    type,
    named(memberId) ?? 'member',
    named(id) ?? (self ? 'member' : 'resource'),
    ownerId === '' ? '' : (named(ownerId) ?? owned),
  ]);
}

/** Every string of these policies as Cedar reads them: the IDs that they mention, and more, which does no harm. */
function stringsOf(policies: readonly string[]): ReadonlySet<string> {
  const strings = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value === 'string') strings.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  for (const policy of policies) {
    const read = policyToJson(policy);
    if (read.type === 'failure') throw new Error(`a stored policy can not be read: ${messages(read.errors)}`);
    collect(read.json);
  }
  return strings;
}

const nameOf = (roles: readonly RoleVersion[]): string =>
  JSON.stringify(roles.map(({ _id, version }) => [_id, version]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)));

const uid = (type: string, id: string): EntityUidJson & { type: string; id: string } => ({ type: `${NAMESPACE}::${type}`, id });

const messages = (errors: readonly DetailedError[]): string =>
  errors.map(({ message, help }) => (help ? `${message} (${help})` : message)).join('; ');

function readActions(schema: string): ReadonlyMap<string, ReadonlySet<string>> {
  const read = schemaToJson(schema);
  if (read.type === 'failure') throw new Error(`Cedar schema: ${messages(read.errors)}`);
  const actions = Object.entries(read.json[NAMESPACE]?.actions ?? {});
  return new Map(actions.map(([name, { appliesTo }]) => [name, new Set(appliesTo?.resourceTypes ?? [])]));
}
