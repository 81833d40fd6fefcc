import test from 'ava';
import { factsOf } from './policy-facts.ts';

const when = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;

test('what forbids is told from what permits', (t) => {
  t.false(factsOf(when('true')).forbids);
  t.true(factsOf('forbid (principal, action, resource);').forbids);
  t.like(factsOf('no policy'), { forbids: true, tellsHoldersApart: true }, 'what can not be read may be anything');
});

test('the actions that a policy is about are those of its scope', (t) => {
  const about = (scope: string): string[] | undefined => {
    const { actions } = factsOf(`permit (principal, ${scope}, resource);`);
    return actions && [...actions];
  };
  t.is(about('action'), undefined);
  t.deepEqual(about('action == Musubi::Action::"member.read"'), ['member.read']);
  t.deepEqual(about('action in Musubi::Action::"member.read"'), ['member.read']);
  t.deepEqual(about('action in [Musubi::Action::"member.read", Musubi::Action::"job.read"]'), ['member.read', 'job.read']);
  t.deepEqual(about('action in []'), []);
  t.is(factsOf('no policy').actions, undefined);
});

test('the strings of a policy are as Cedar reads them', (t) => {
  const { strings } = factsOf(when('resource == Musubi::Member::"m\\u{32}" || ["x"].contains("y")'));
  for (const string of ['m2', 'x', 'y']) t.true(strings.includes(string), string);
});

test('who holds a policy is told from others who do by what it says of the principal alone', (t) => {
  for (const same of [
    'true',
    'resource == principal',
    'principal == resource',
    'resource has owner && resource.owner == principal',
    'resource == Musubi::Member::"m1"',
    'resource in Musubi::Role::"staff"',
    'if resource has owner then principal == resource.owner else false',
  ])
    t.false(factsOf(when(same)).tellsHoldersApart, same);
  for (const apart of [
    'principal == Musubi::Member::"m1"',
    'principal != Musubi::Member::"m1"',
    'principal in Musubi::Role::"leads"',
    '[Musubi::Member::"m1"].contains(principal)',
    '[principal, resource].contains(Musubi::Member::"m1")',
    'principal has owner',
    'principal has owner && principal.owner == resource',
    'principal != resource',
    'resource == principal && principal in Musubi::Role::"leads"',
    'true || (if principal == Musubi::Member::"m1" then true else false)',
  ])
    t.true(factsOf(when(apart)).tellsHoldersApart, apart);
  for (const scope of ['principal == Musubi::Member::"m1"', 'principal in Musubi::Role::"leads"', 'principal is Musubi::Member'])
    t.true(factsOf(`permit (${scope}, action, resource);`).tellsHoldersApart, scope);
  t.true(factsOf('permit (principal, action, resource) unless { principal == Musubi::Member::"m1" };').tellsHoldersApart);
});
