import test from 'ava';
import fc from 'fast-check';
import { whole } from '#platform/cases.fixture.ts';
import type { Role } from './domain.ts';
import { Policies, type Question } from './policies.ts';

const policies = new Policies();

const role = (_id: string, texts: string[], version = 1): Role => ({
  _id,
  version,
  policies: texts.map((cedar, index) => ({ policyId: `${index}`, name: '', cedar })),
});

const ADMIN = role('admin', ['permit (principal, action, resource);']);
const MEMBER = role('member', [
  'permit (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource);',
  'permit (principal, action == Musubi::Action::"member.update", resource) when { resource == principal };',
  'permit (principal, action == Musubi::Action::"job.read", resource) when { resource has owner && resource.owner == principal };',
]);

const question = (action: string, type: string, id = '', ownerId = ''): Question => ({
  memberId: 'm1',
  action,
  resource: { type, id, ownerId },
});

const decide = (asked: Question, ...roles: Role[]) => policies.decide(asked, roles, async () => roles);

test('what no policy grants is denied', async (t) => {
  t.is(await decide(question('member.read', 'Member', 'm2')), 'denied', 'no role at all');
  t.is(await decide(question('member.read', 'Member', 'm2'), role('empty', [])), 'denied', 'a role without policies');
  t.is(await decide(question('member.delete', 'Member', 'm2'), MEMBER), 'denied');
  t.is(await decide(question('member.delete', 'Member', 'm2'), MEMBER, ADMIN), 'allowed');
});

test('a policy may ask whether the resource is the member itself, or its own', async (t) => {
  t.is(await decide(question('member.update', 'Member', 'm1'), MEMBER), 'allowed');
  t.is(await decide(question('member.update', 'Member', 'm1', 'm1'), MEMBER), 'allowed');
  t.is(await decide(question('member.update', 'Member', 'm2'), MEMBER), 'denied');
  t.is(await decide(question('job.read', 'Job', 'j1', 'm1'), MEMBER), 'allowed');
  t.is(await decide(question('job.read', 'Job', 'j1', 'm2'), MEMBER), 'denied');
  t.is(await decide(question('job.read', 'Job', 'j1'), MEMBER), 'denied', 'nobody owns it');
});

test('forbid wins, whatever permits', async (t) => {
  const locked = role('locked', ['forbid (principal, action == Musubi::Action::"member.update", resource);']);
  t.is(await decide(question('member.update', 'Member', 'm1'), MEMBER, ADMIN, locked), 'denied');
  t.is(await decide(question('member.read', 'Member', 'm1'), MEMBER, ADMIN, locked), 'allowed');
});

test('a forbid that cannot be evaluated forbids too', async (t) => {
  const broken = role('broken', ['forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };']);
  t.is(await decide(question('member.read', 'Member', 'm1'), ADMIN, broken), 'denied');
});

test('a policy may name a role that the member holds', async (t) => {
  const named = role('named', ['permit (principal in Musubi::Role::"other", action, resource);']);
  t.is(await decide(question('member.read', 'Member', 'm2'), named), 'denied');
  t.is(await decide(question('member.read', 'Member', 'm2'), named, role('other', [])), 'allowed');
});

test('what the schema does not know is permitted to nobody', async (t) => {
  t.is(await decide(question('member.fly', 'Member', 'm1'), ADMIN), 'unknown');
  t.is(await decide(question('member.read', 'Job', 'j1'), ADMIN), 'unknown');
  t.is(await decide(question('member.read', 'constructor', 'j1'), ADMIN), 'unknown');
});

test('names are data, never policy', async (t) => {
  const asked = question('member.read', 'Member', '"; permit(principal, action, resource); //');
  t.is(await decide(asked, role('none', ['permit (principal, action, resource == Musubi::Member::"m9");'])), 'denied');
});

test('a newer version of a role decides at once; the older is not asked any more', async (t) => {
  const asked = question('member.delete', 'Member', 'm2');
  const [old, young] = [role('v', [], 1), role('v', ['permit (principal, action, resource);'], 2)];
  t.is(await decide(asked, old), 'denied');
  t.is(await decide(asked, young), 'allowed');
  t.is(await decide(asked, old), 'denied');
});

const IDS = ['m1', 'm2', 'm3', 'other', '', 'member'];
const CONDITIONS = [
  'resource == principal',
  'principal == Musubi::Member::"m1"',
  'resource == Musubi::Member::"m\\u{32}"',
  'resource has owner && resource.owner == principal',
  'resource has owner && resource.owner == Musubi::Member::"m3"',
  'resource has owner && resource.owner == resource',
  'principal has owner',
  'principal in Musubi::Role::"some"',
  'resource in Musubi::Role::"some"',
  'resource in [Musubi::Job::"m2", Musubi::Member::""]',
  '[principal, resource].contains(Musubi::Member::"other")',
];

test('what Cedar was asked before is answered as it would answer again', async (t) => {
  const id = fc.constantFrom(...IDS);
  const policy = fc
    .tuple(fc.constantFrom('permit', 'permit', 'forbid'), fc.constantFrom('when', 'unless'), fc.constantFrom(...CONDITIONS))
    .map(([effect, word, condition]) => `${effect} (principal, action, resource) ${word} { ${condition} };`);
  const asked = fc.record({
    memberId: id.filter((one) => one !== ''),
    resource: fc.record({ type: fc.constantFrom('Member', 'Job'), id, ownerId: id }),
  });
  let version = 1;
  const answers = { allowed: 0, denied: 0, unknown: 0 };
  const ask = (question: Question, texts: string[], of: number) => {
    const roles = [role('some', texts, of)];
    return policies.decide(question, roles, async () => roles);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(policy, { minLength: 1, maxLength: 3 }), fc.array(asked, { maxLength: 40 }), async (texts, all) => {
      const kept = version++;
      for (const one of all) {
        const question = { ...one, action: one.resource.type === 'Job' ? 'job.read' : 'member.read' };
        // A version that was never there is parsed and asked.
        const fresh = await ask(question, texts, version++);
        t.is(await ask(question, texts, kept), fresh, JSON.stringify({ texts, question }));
        answers[fresh]++;
      }
    }),
    { numRuns: whole ? 400 : 100 },
  );
  t.true(answers.allowed > 100 && answers.denied > 100, JSON.stringify(answers));
});

test('Cedar is asked once for each kind of question', async (t) => {
  let asked = 0;
  const fresh = new Policies();
  const roles = [role('own', ['permit (principal, action, resource) when { resource == principal };'])];
  const decide = (memberId: string, id: string) =>
    fresh.decide({ ...question('member.read', 'Member', id), memberId }, roles, async () => {
      asked++;
      return roles;
    });
  for (let n = 0; n < 50; n++) {
    t.is(await decide(`m${n}`, `m${n}`), 'allowed');
    t.is(await decide(`m${n}`, `m${n + 1}`), 'denied');
  }
  t.is(asked, 1);
  t.is(fresh.kept, 2);
});

test('no more decisions are remembered than there is room for, however many names stand in a policy', async (t) => {
  const fresh = new Policies();
  const named = Array.from({ length: 1_001 }, (_, n) => `Musubi::Member::"n${n}"`);
  const roles = [role('names', [`permit (principal, action, resource) when { [${named}].contains(resource) };`])];
  for (let n = 0; n < named.length; n++) {
    const asked = question('member.read', 'Member', `n${n}`);
    t.is(await fresh.decide(asked, roles, async () => roles), 'allowed');
    if (n === 999) t.is(fresh.kept, 1_000);
  }
  t.is(fresh.kept, 1, 'it begins again');
});

test('policies are read once for a combination of roles, in whatever order', async (t) => {
  let reads = 0;
  const fresh = new Policies();
  const ask = (roles: Role[]) =>
    fresh.decide(question('member.read', 'Member', 'm2'), roles, async () => {
      reads++;
      return roles;
    });
  await ask([MEMBER, ADMIN]);
  await ask([ADMIN, MEMBER]);
  t.is(reads, 1);
});

test('more combinations than fit push out the oldest, and never mix', async (t) => {
  const small = new Policies(3);
  const grants = (id: number) => role(`r${id}`, [`permit (principal, action, resource == Musubi::Member::"m${id}");`]);
  for (const id of [1, 2, 3, 4, 5, 1, 5, 4, 2, 6, 1]) {
    const roles = [grants(id)];
    const ask = (target: number) => small.decide(question('member.read', 'Member', `m${target}`), roles, async () => roles);
    t.is(await ask(id), 'allowed', `role ${id} on its own`);
    t.is(await ask(id + 1), 'denied', `role ${id} on another's`);
  }
});

// Serial: nothing else may take memory meanwhile.
test.serial('the cache of parsed policies does not grow', async (t) => {
  const small = new Policies(16);
  const text = MEMBER.policies.map(({ cedar }) => cedar);
  const fill = async (from: number) => {
    for (let id = from; id < from + 1_000; id++) {
      const roles = [role(`grow${id}`, Array.from({ length: 8 }, () => text).flat())];
      await small.decide(question('member.read', 'Member', 'm2'), roles, async () => roles);
    }
  };
  await fill(0);
  // Cedar's own memory: the process's as a whole depends on when garbage is collected.
  const before = process.memoryUsage().external;
  await fill(10_000);
  t.true(process.memoryUsage().external - before < 5_000_000, 'unbounded, these would take some 40 MB');
});

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
  t.regex(violations[1]?.message ?? '', /member\.fly/);
});
