import test from 'ava';
import { Policies } from './policies.ts';

// What a policy is refused for, when it is written.

const policies = new Policies();

test('only policies that parse and fit the schema are accepted, and each that is not is named', (t) => {
  const violations = policies.violations(
    [
      { policyId: 'good', name: '', cedar: 'permit (principal, action, resource);' },
      { policyId: 'syntax', name: '', cedar: 'permit everything' },
      { policyId: 'action', name: '', cedar: 'permit (principal, action == Musubi::Action::"member.fly", resource);' },
      { policyId: 'attribute', name: '', cedar: 'permit (principal, action, resource) when { principal.isBoss };' },
      { policyId: 'two', name: '', cedar: 'permit (principal, action, resource); permit (principal, action, resource);' },
      { policyId: 'slot', name: '', cedar: 'permit (principal == ?principal, action, resource);' },
      { policyId: 'good', name: '', cedar: 'forbid (principal, action, resource);' },
      { policyId: 'empty', name: '', cedar: '' },
    ],
    'roles[0].policies',
  );
  t.deepEqual(
    violations.map(({ field }) => field),
    [1, 2, 3, 4, 5]
      .map((at) => `roles[0].policies[${at}].cedar`)
      .concat('roles[0].policies[6].policyId', 'roles[0].policies[7].cedar'),
  );
});

test('what is wrong with a policy is told to its author: where it stands, and by no ID that it was not given', (t) => {
  const told = (cedar: string) => policies.violations([{ policyId: 'p', name: '', cedar }], '').map(({ message }) => message);
  t.deepEqual(told('permit everything'), ['is not valid at line 1, character 8: unexpected token `everything` (expected `(`)']);
  t.regex(
    told('permit (principal, // 誰でも\n  action == Musubi::Action::"member.fly", resource);').join(),
    /^is not valid at line 2, character 13: unrecognized action `Musubi::Action::"member\.fly"` \(did you mean /,
  );
  t.is(told('permit (principal, action, resource) when { resource.isSecret };').length, 1, 'of the types of thing one is named');
});

test('a policy that asks of the owner of a job what is not known, which a forbid would pass over, is refused when it is written', (t) => {
  const wrong = (scope: string, condition: string) =>
    policies.violations(
      [
        {
          policyId: 'p',
          name: '',
          cedar: `forbid (principal, ${scope}, resource) when { resource has owner && (${condition}) };`,
        },
      ],
      'policies',
    ).length;
  const cancel = 'action == Musubi::Action::"job.cancel"';
  const update = 'action == Musubi::Action::"member.update"';
  for (const condition of [
    'resource.owner in Musubi::Role::"vip"',
    'resource.owner is Musubi::Member in Musubi::Role::"vip"',
    '!(resource.owner in [Musubi::Role::"vip"])',
    'resource.owner has owner',
    '(if true then resource.owner else principal) in Musubi::Role::"vip"',
  ])
    t.is(wrong(cancel, condition), 1, condition);
  t.is(wrong(cancel, 'resource.owner == principal || principal in Musubi::Role::"vip"'), 0);
  t.is(wrong(update, 'resource.owner in Musubi::Role::"vip"'), 0, 'the owner of a member is itself');
});
