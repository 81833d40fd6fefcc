import { randomUUID } from 'node:crypto';
import { preparsePolicySet } from '@cedar-policy/cedar-wasm/nodejs';
import type { ByRelation, Condition } from './conditions.ts';
import type { Role } from './domain.ts';
import { factsOf, messages } from './policy-facts.ts';

/** A role as far as it identifies what it permits. */
export type RoleVersion = Pick<Role, '_id' | 'version'>;

/** What a combination of roles says of one action, parsed. */
export interface PolicySet {
  /** Where Cedar's cache has it. */
  readonly entry: string;
  /** Cedar text by the policies' IDs: a partial evaluation takes nothing that is parsed. */
  readonly texts: Readonly<Record<string, string>>;
  /** Every string that stands in them. */
  readonly strings: ReadonlySet<string>;
  /** What was decided by them, by the kind of question. */
  readonly decisions: Map<string, 'allowed' | 'forbidden' | 'open'>;
  /** What they leave open of things, by the kind of question, each for the member that asked first. */
  readonly conditions: Map<string, { memberId: string; condition: Condition<ByRelation> }>;
}

/**
 * Policies parsed once for a combination of roles, of these versions, and an action: to Cedar a policy about other actions is one
 * more to look at, and to parse.
 *
 * Cedar's own cache can't forget, only overwrite. So a set that goes has its entry overwritten with no policies, and a later set takes it.
 */
export class PolicySets {
  /** Cedar's cache is one for the whole process. */
  readonly #name = randomUUID();
  /** Least recently used first. */
  readonly #sets = new Map<string, PolicySet>();
  readonly #free: string[] = [];
  readonly #capacity: number;
  #entries = 0;
  #parsed = 0;

  /** @param capacity policies kept parsed, of all sets together */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** How many answers are remembered. */
  get kept(): number {
    return [...this.#sets.values()].reduce((sum, { decisions, conditions }) => sum + decisions.size + conditions.size, 0);
  }

  find(roles: readonly RoleVersion[], action: string): PolicySet | undefined {
    const name = nameOf(roles, action);
    const set = this.#sets.get(name);
    if (set === undefined) return undefined;
    this.#sets.delete(name);
    this.#sets.set(name, set);
    return set;
  }

  /** Finds the set of these roles, or parses it. */
  of(roles: readonly Role[], action: string): PolicySet {
    const known = this.find(roles, action);
    if (known !== undefined) return known;
    const texts: Record<string, string> = {};
    // The roles that the member holds are like those that policies mention: a thing may be one of them.
    const strings = new Set(roles.map(({ _id }) => _id));
    for (const role of roles)
      for (const { policyId, cedar } of role.policies) {
        const facts = factsOf(cedar);
        if (facts.actions && !facts.actions.has(action)) continue;
        texts[`${role._id}/${policyId}`] = cedar;
        for (const string of facts.strings) strings.add(string);
      }
    this.#makeRoom(weightOf(texts));
    const entry = this.#free.pop() ?? `${this.#name}/${this.#entries++}`;
    const parsed = preparsePolicySet(entry, { staticPolicies: texts });
    if (parsed.type === 'failure') {
      this.#free.push(entry);
      throw new Error(`stored policies do not parse: ${messages(parsed.errors)}`);
    }
    this.#parsed += weightOf(texts);
    const set = { entry, texts, strings, decisions: new Map(), conditions: new Map() };
    this.#sets.set(nameOf(roles, action), set);
    return set;
  }

  #makeRoom(weight: number): void {
    for (const [name, { entry, texts }] of this.#sets) {
      if (this.#parsed + weight <= this.#capacity) return;
      this.#sets.delete(name);
      this.#parsed -= weightOf(texts);
      preparsePolicySet(entry, { staticPolicies: {} });
      this.#free.push(entry);
    }
  }
}

/** How many policies a set has; one without any counts as one, as it takes an entry, too. */
const weightOf = (texts: Readonly<Record<string, string>>): number => Math.max(1, Object.keys(texts).length);

const nameOf = (roles: readonly RoleVersion[], action: string): string =>
  JSON.stringify([
    action,
    ...roles.map(({ _id, version }) => [_id, version]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  ]);
