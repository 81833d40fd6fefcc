import { type Answer, type Client, unique } from '../../test/client.ts';
import { all, Fact, type Known, not, some } from './facts.ts';

/** What roles of a realm give, of all that the built-in role `member` does not. */
export const POWERS = ['job.read', 'member.update', 'member.list-login-holds'] as const;
export type Power = (typeof POWERS)[number];

/** What the policy that denies takes away. */
const DENIED: Power = 'member.update';
/** What a policy says while it does not say what it is there for. */
const NOTHING = 'policy.simulate';

const NEVER = new Fact(false);

export interface Policy {
  id: string;
  effect: 'allow' | 'deny';
  power: Power;
  /** Whether it says what it is there for. */
  says: Fact;
}

export interface Role {
  id: string;
  /** By policy ID. */
  carries: Map<string, Fact>;
  /** By member ID. */
  held: Map<string, Fact>;
}

export const textOf = ({ effect, power }: Pick<Policy, 'effect' | 'power'>, says = true) => ({
  effect,
  actions: [says ? power : NOTHING],
  resources: ['*'],
});

/** Roles and policies that one checker changes, and what they permit to the members that it looks after. */
export class Realm {
  readonly roles: readonly Role[];
  readonly policies: readonly Policy[];
  /** Those that allow, and the one that denies. */
  readonly allowing: readonly Policy[];
  readonly denial: Policy;

  private constructor(roles: readonly Role[], policies: readonly Policy[]) {
    this.roles = roles;
    this.policies = policies;
    this.allowing = policies.filter(({ effect }) => effect === 'allow');
    const denial = policies.find(({ effect }) => effect === 'deny');
    if (!denial) throw new Error('no policy denies');
    this.denial = denial;
  }

  /** Two roles and four policies, made by the API. At first all members hold the one role, which allows all; the other one allows nothing. */
  static async make(admin: Client, memberIds: readonly string[]): Promise<Realm> {
    const make = async (path: string, body: object): Promise<string> => {
      const answer = await admin.post(path, { name: unique('Of the checker'), ...body }, { prefer: 'wait=30' });
      return requireDone(answer).body.id as string;
    };
    const wanted = [...POWERS.map((power) => ({ effect: 'allow' as const, power })), { effect: 'deny' as const, power: DENIED }];
    const policies: Policy[] = [];
    for (const one of wanted) policies.push({ ...one, id: await make('/v1/policies', textOf(one)), says: new Fact(true) });
    const wait = { prefer: 'wait=30' };
    const allowing = policies.filter(({ effect }) => effect === 'allow');
    const first = await make('/v1/roles', {});
    for (const { id } of allowing) requireDone(await admin.put(`/v1/roles/${first}/policies/${id}`, undefined, wait));
    const assign = (id: string) => admin.put(`/v1/members/${id}/roles/${first}`, undefined, wait);
    for (const answer of await Promise.all(memberIds.map(assign))) requireDone(answer);
    const facts = (ids: readonly string[], so: (id: string) => boolean) => new Map(ids.map((id) => [id, new Fact(so(id))]));
    const roles = [first, await make('/v1/roles', {})].map((id): Role => {
      const isFirst = id === first;
      const carries = facts(
        policies.map(({ id }) => id),
        (policyId) => isFirst && allowing.some(({ id }) => id === policyId),
      );
      return { id, carries, held: facts(memberIds, () => isFirst) };
    });
    return new Realm(roles, policies);
  }

  /**
   * Whether a member, while its session holds, may do that, all the time from then to then.
   *
   * @param isOwn whether it is of what the member may do with what is its own
   */
  permits(memberId: string, power: Power, isOwn: boolean, from: number, to: number): Known {
    const by = (effect: Policy['effect']): Known =>
      some(
        this.policies
          .filter((policy) => policy.effect === effect && policy.power === power)
          .flatMap(({ id, says }) =>
            this.roles.map(({ carries, held }) =>
              all([says, carries.get(id) ?? NEVER, held.get(memberId) ?? NEVER].map((fact) => fact.during(from, to))),
            ),
          ),
      );
    return all([some([isOwn, by('allow')]), not(by('deny'))]);
  }
}

/** @throws unless it was done */
export function requireDone(answer: Answer): Answer {
  if (answer.status >= 300 || answer.status === 202) throw new Error(`not done: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer;
}
