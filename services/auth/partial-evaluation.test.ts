import test from 'ava';
import fc from 'fast-check';
import type { ByRelation, Condition } from './conditions.ts';
import type { Role } from './domain.ts';
import { conditionOf, NotListable, notListable } from './partial-evaluation.ts';
import { Policies } from './policies.ts';

const conditionFor = (
  cedar: readonly string[],
  { memberId = 'm1', roleIds = ['some'], type = 'Member', action = 'member.list' } = {},
) =>
  conditionOf({
    memberId,
    roleIds,
    positionIds: [],
    action,
    type,
    within: type === 'Member' ? ['Role'] : [],
    policies: Object.fromEntries(cedar.map((text, at) => [`${at}`, text])),
  });

const when = (condition: string, effect = 'permit') => `${effect} (principal, action, resource) when { ${condition} };`;

test('what is so for all, or for none, is no question to a database', (t) => {
  t.is(conditionFor([]), false);
  t.is(conditionFor(['permit (principal, action, resource);']), true);
  t.is(conditionFor(['permit (principal in Musubi::Role::"some", action, resource);']), true);
  t.is(conditionFor(['permit (principal in Musubi::Role::"other", action, resource);']), false);
  t.is(conditionFor(['permit (principal, action, resource);', 'forbid (principal, action, resource);']), false);
  t.is(conditionFor(['permit (principal, action, resource is Musubi::Job);']), false);
  t.is(conditionFor(['permit (principal, action == Musubi::Action::"member.update", resource);']), false);
});

test('what is left are conditions on the thing, its owner and what it is in', (t) => {
  const owned = 'resource has owner && resource.owner == principal';
  t.deepEqual(conditionFor([when('resource == principal')]), { ids: ['m1'] });
  t.deepEqual(conditionFor([when(owned)]), { allOf: [{ hasOwner: true }, { owners: ['m1'] }] });
  t.deepEqual(conditionFor([when('[Musubi::Member::"a", Musubi::Member::"b"].contains(resource)')]), { ids: ['a', 'b'] });
  t.deepEqual(conditionFor([when('resource in Musubi::Role::"r"')]), { in: [{ type: 'Role', id: 'r' }] });
  t.deepEqual(conditionFor(['permit (principal, action, resource);', when('resource == Musubi::Member::"x"', 'forbid')]), {
    not: { ids: ['x'] },
  });
  t.deepEqual(conditionFor([when('if principal in Musubi::Role::"some" then resource == principal else true')]), { ids: ['m1'] });
});

test('nothing is in what the schema says it can not be in', (t) => {
  t.is(conditionFor([when('resource in [Musubi::Role::"r", Musubi::Member::"m2"]')], { type: 'Job', action: 'job.list' }), false);
  t.deepEqual(conditionFor([when('resource in [Musubi::Role::"r", Musubi::Member::"m2"]')]), {
    anyOf: [{ ids: ['m2'] }, { in: [{ type: 'Role', id: 'r' }] }],
  });
});

test('a policy that fails lets see nothing: it might have been the one that forbids', (t) => {
  const failing = '9223372036854775807 + 1 > 0';
  t.is(conditionFor(['permit (principal, action, resource);', when(failing, 'forbid')]), false);
  t.is(conditionFor(['permit (principal, action, resource);', when(`${failing} && resource == principal`, 'forbid')]), false);
});

const UNLISTABLE = [
  'resource has owner && resource.owner == resource',
  'resource has owner && resource.owner has owner',
  'resource has owner && resource.owner in Musubi::Role::"r"',
  'principal in resource',
  '[principal, resource].contains(principal)',
];
for (const condition of UNLISTABLE) {
  test(`no list can look at: ${condition}`, (t) => {
    t.regex(notListable(when(condition)) ?? '', /^must not ask this of a resource, as lists go by it: /);
    t.throws(() => conditionFor([when(condition)]), { instanceOf: NotListable });
  });
}

test('conditions within each other are bounded, where the policy is written', (t) => {
  const chain = (n: number): string => `${'if resource == principal then true else '.repeat(n)}false`;
  const deep = (n: number): string => `${'!('.repeat(n)}resource == principal${')'.repeat(n)}`;
  t.is(notListable(when(chain(30))), undefined);
  t.regex(notListable(when(chain(60))) ?? '', /deeper than 64/);
  t.is(notListable(when(deep(31))), undefined);
  t.is(notListable(when(Array(200).fill('resource == principal').join(' || '))), undefined, 'a chain is no nest');
  t.is(notListable(when(`principal has owner && (${chain(60).replaceAll('resource', 'principal')})`)), undefined, 'it is known');
});

test('a policy that is about nothing that is read or listed may look at a resource in any way', (t) => {
  for (const [actions, fine] of [
    ['action == Musubi::Action::"member.update"', true],
    ['action in [Musubi::Action::"member.update", Musubi::Action::"member.delete"]', true],
    ['action == Musubi::Action::"member.list"', false],
    ['action == Musubi::Action::"group.list-members"', false],
    ['action in [Musubi::Action::"member.update", Musubi::Action::"member.read"]', false],
  ] as const) {
    t.is(notListable(`permit (principal, ${actions}, resource) when { principal in resource };`) === undefined, fine, actions);
  }
});

test('what says nothing of the resource may say it in any way', (t) => {
  t.is(notListable(when('principal has owner && principal.owner in Musubi::Role::"r"')), undefined);
  t.is(notListable(when('principal has owner && resource == principal.owner')), undefined);
});

/** Things as lists have them. */
interface Thing {
  id: string;
  ownerId: string;
  within: { type: string; id: string }[];
}

const holds = (condition: Condition<ByRelation>, { id, ownerId, within }: Thing): boolean => {
  if (typeof condition === 'boolean') return condition;
  const is = (one: Condition<ByRelation>): boolean => holds(one, { id, ownerId, within });
  if ('allOf' in condition) return condition.allOf.every(is);
  if ('anyOf' in condition) return condition.anyOf.some(is);
  if ('not' in condition) return !is(condition.not);
  if ('ids' in condition) return condition.ids.includes(id);
  if ('owners' in condition) return condition.owners.includes(ownerId);
  if ('hasOwner' in condition) return ownerId !== '';
  if (!('in' in condition)) throw new Error(`no condition on a member or a job: ${JSON.stringify(condition)}`);
  return condition.in.some((one) => within.some(({ type, id: where }) => one.type === type && one.id === where));
};

const TERMS = [
  'resource == principal',
  'principal == Musubi::Member::"m1"',
  'resource == Musubi::Member::"m2"',
  'resource != Musubi::Member::"m3"',
  'resource has owner',
  '(resource has owner && resource.owner == principal)',
  '(resource has owner && resource.owner == Musubi::Member::"m3")',
  '(resource has owner && [Musubi::Member::"m1", Musubi::Member::"m2"].contains(resource.owner))',
  'principal in Musubi::Role::"some"',
  'resource in Musubi::Role::"some"',
  'resource in [Musubi::Member::"m2", Musubi::Job::"m1"]',
  'resource is Musubi::Job',
  '[Musubi::Member::"m1", Musubi::Job::"m1"].contains(resource)',
];
const { term } = fc.letrec<{ term: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(...TERMS),
    fc.tuple(tie('term'), tie('term')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('term'), tie('term')).map(([a, b]) => `(${a} || ${b})`),
    tie('term').map((a) => `!(${a})`),
    fc.tuple(tie('term'), tie('term'), tie('term')).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
  ),
}));
const policy = fc
  .tuple(fc.constantFrom('permit', 'permit', 'forbid'), fc.constantFrom('when', 'unless'), term)
  .map(([effect, word, condition]) => `${effect} (principal, action, resource) ${word} { ${condition} };`);

test('a list shows exactly what Cedar allows one by one', async (t) => {
  const policies = new Policies();
  const ids = ['m1', 'm2', 'm3', 'm4'];
  const some = [{ type: 'Role', id: 'some' }];
  const thingsOf = (type: string) =>
    (type === 'Member' ? [[], some] : [[]]).flatMap((within) =>
      ids.flatMap((id) => ['', ...ids].map((ownerId) => ({ id, ownerId, within }))),
    );
  let version = 1;
  const seen = { shown: 0, hidden: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('m1', 'm2', 'm4'),
      fc.constantFrom('Member', 'Job'),
      async (texts, memberId, type) => {
        for (const text of texts) t.is(notListable(text), undefined, text);
        const action = type === 'Member' ? 'member.list' : 'job.list';
        const role: Role = {
          _id: 'some',
          version: version++,
          policies: texts.map((cedar, at) => ({ policyId: `${at}`, name: '', cedar })),
        };
        const condition = conditionFor(texts, { memberId, type, action });
        const things = thingsOf(type);
        for (const thing of things) {
          const resource = { type, ...thing };
          // A member is in the roles that it holds: what is its own self is not asked here.
          if (type === 'Member' && thing.id === memberId) continue;
          const decision = await policies.decide({ memberId, action, resource }, [role], async () => [role]);
          const shown = holds(condition, thing);
          seen[shown ? 'shown' : 'hidden']++;
          t.is(shown, decision === 'allowed', JSON.stringify({ texts, memberId, resource, condition }));
        }
        // What is kept of one member serves others, and what is known of a thing is decided.
        for (const asker of [memberId, 'm5', 'm3', 'm6']) {
          for (const thing of things) {
            if (type === 'Member' && thing.id === asker) continue;
            const question = { memberId: asker, action, resource: { type, ...thing } };
            const read = await policies.seen(question, [role], async () => [role]);
            const decision = await policies.decide(question, [role], async () => [role]);
            const shown = typeof read !== 'string' && holds(read, thing);
            t.is(shown, decision === 'allowed', JSON.stringify({ texts, question, read }));
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  t.true(seen.shown > 500 && seen.hidden > 500, JSON.stringify(seen));
});
