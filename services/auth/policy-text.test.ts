import test from 'ava';
import { Policies } from './policies.ts';
import { tooComplex } from './policy-text.ts';

const when = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;
/** Each grows with n in a way of its own, and is what overflows the stack of Cedar's parser or evaluator. */
const HOSTILE: Record<string, (n: number) => string> = {
  parentheses: (n) => `${'('.repeat(n)}true${')'.repeat(n)}`,
  sets: (n) => `[${'['.repeat(n)}1${']'.repeat(n)}].contains(1)`,
  records: (n) => `${'{a:'.repeat(n)}1${'}'.repeat(n)} has a`,
  negations: (n) => `${'!'.repeat(n)}true`,
  sums: (n) => `${Array(n).fill('1').join('+')} == 1`,
  attributes: (n) => `principal${'.owner'.repeat(n)} == principal`,
  conditionals: (n) => `${'if true then '.repeat(n)}true${' else true'.repeat(n)}`,
  conjunctions: (n) => Array(n).fill('true').join('&&'),
  'all of them': (n) => `${'('.repeat(32)}${'if true then 1+'.repeat(n)}1${' else 1'.repeat(n)} == 1${')'.repeat(32)}`,
};

test('a policy that would overflow the stack of Cedar is refused before Cedar sees it, and Cedar decides on', async (t) => {
  const policies = new Policies();
  const roles = [{ _id: 'all', version: 1, policies: [{ policyId: 'all', name: '', cedar: when('true') }] }];
  for (const [name, make] of Object.entries(HOSTILE))
    for (const n of [10, 120, 300, 2_000, 5_000]) {
      const cedar = when(make(n));
      const violations = policies.violations([{ policyId: 'p', name: '', cedar }], '');
      if (n >= 300) t.is(violations.length, 1, `${name} ${n}`);
      const hostile = [{ _id: `${name}${n}`, version: 1, policies: [{ policyId: 'p', name: '', cedar }] }];
      const question = { memberId: 'm', action: 'member.read', resource: { type: 'Member', id: 'x', ownerId: '', within: [] } };
      if (violations.length === 0) await t.notThrowsAsync(policies.decide(question, hostile, async () => hostile));
      t.is(await policies.decide({ ...question, memberId: `${name}${n}` }, roles, async () => roles), 'allowed');
    }
});

test('what stands in strings and comments does not count', (t) => {
  const brackets = '('.repeat(100);
  t.is(tooComplex(when(`principal == Musubi::Member::"${brackets}\\"${'&&'.repeat(300)}"`)), undefined);
  t.is(tooComplex(`// ${brackets}\n${when('true')}`), undefined);
  t.regex(tooComplex(when(brackets)) ?? '', /32/);
  t.regex(tooComplex(when(`"a" == "${'x'}" ${'|| true '.repeat(251)}`)) ?? '', /250/);
});
