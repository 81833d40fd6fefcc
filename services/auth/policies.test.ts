import test from 'ava';
import fc from 'fast-check';
import { whole } from '#platform/cases.fixture.ts';
import type { Role } from './domain.ts';
import { ADMIN, MEMBER, question, role } from './policies.fixture.ts';
import { Policies } from './policies.ts';
import type { Question } from './question.ts';

const policies = new Policies();

const texts = (roles: Role[]): string[] => roles.flatMap(({ policies }) => policies.map(({ cedar }) => cedar));

const decide = (asked: Question, ...roles: Role[]) => policies.decide(asked, roles, async () => roles);

test('what no policy grants is denied', async (t) => {
  t.is(await decide(question('member.read', 'Member', 'm2')), 'denied', 'no role at all');
  t.is(await decide(question('member.read', 'Member', 'm2'), role('empty', [])), 'denied', 'a role without policies');
  t.is(await decide(question('member.delete', 'Member', 'm2'), MEMBER), 'denied');
  t.is(await decide(question('member.delete', 'Member', 'm2'), MEMBER, ADMIN), 'allowed');
});

test('of groups none of which is named it is answered as of one to which nobody is anything', async (t) => {
  const finds = role('finds', ['permit (principal, action, resource is Musubi::Group) when { resource.findable };']);
  for (const action of ['group.update', 'group.read', 'group.list']) {
    const asked = question(action, 'Group', '');
    t.is(await decide(asked, MEMBER, finds), 'denied', action);
    t.is(await decide(asked, ADMIN, finds), 'allowed', action);
    t.false((await policies.explain(asked, [MEMBER, finds])).allowed, action);
  }
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
  const why = await policies.explain(question('member.read', 'Member', 'm1'), [ADMIN, broken]);
  t.like(why, { allowed: false, forbidden: true, policies: [{ roleId: 'broken', policyId: '0' }] }, 'and is named as what does');
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

/** What the member m1 may see. */
const seen = (action: string, resource: Question['resource'], ...roles: Role[]) =>
  policies.seen({ memberId: 'm1', action, resource }, roles, async () => roles);
const ALL = { type: 'Member', id: '', ownerId: '', within: [] };
const ITSELF = role('itself', ['permit (principal, action, resource) when { resource == principal };']);

test('what may be listed is a condition; a list of which nothing may be seen is denied', async (t) => {
  t.is(await seen('member.list', ALL, ADMIN), true);
  t.deepEqual(await seen('member.list', ALL, ITSELF), { ids: ['m1'] });
  t.is(await seen('member.list', ALL), 'denied', 'no role at all');
  t.is(await seen('member.list', ALL, role('empty', [])), 'denied');
  t.is(await seen('member.list', { ...ALL, type: 'Job' }, ADMIN), 'unknown');
  t.is(await seen('member.list', ALL, ADMIN, role('locked', ['forbid (principal, action, resource);'])), 'denied');
});

test('of one thing that is known everything is decided', async (t) => {
  const editors = role('sees-editors', ['permit (principal, action, resource in Musubi::Role::"editors");']);
  const one = (id: string, ...roleIds: string[]) => ({
    type: 'Member',
    id,
    ownerId: id,
    within: roleIds.map((roleId) => ({ type: 'Role', id: roleId })),
  });
  const job = (ownerId: string) => ({ type: 'Job', id: 'j1', ownerId, within: [] });
  t.is(await seen('member.read', one('m1'), ITSELF), true);
  t.is(await seen('member.read', one('m2'), ITSELF), 'denied');
  t.is(await seen('member.read', one('m1'), ITSELF, editors), true);
  t.is(await seen('member.read', one('m2'), ITSELF, editors), 'denied');
  t.is(await seen('member.read', one('m2', 'editors'), ITSELF, editors), true);
  t.is(await seen('member.read', one('m2', 'others'), ITSELF, editors), 'denied');
  t.deepEqual(await seen('member.list', ALL, editors), { in: [{ type: 'Role', id: 'editors' }] }, 'of many it is left open');
  t.is(await seen('job.read', job('m1'), MEMBER), true);
  t.is(await seen('job.read', job('m2'), MEMBER), 'denied');
  t.is(await seen('job.read', job('m2'), editors), 'denied', 'no job is in a role');
});

test('what a policy says of the members of a role holds for who is in it', async (t) => {
  const leads = role('leads', [
    'permit (principal, action, resource in Musubi::Role::"staff");',
    'forbid (principal, action == Musubi::Action::"member.delete", resource in Musubi::Role::"kept");',
  ]);
  const of = (action: string, ...roleIds: string[]): Question => ({
    memberId: 'm1',
    action,
    resource: { type: 'Member', id: 'm2', ownerId: 'm2', within: roleIds.map((id) => ({ type: 'Role', id })) },
  });
  // Each asked twice: what is remembered of one says nothing of another.
  for (let n = 0; n < 2; n++) {
    t.is(await decide(of('member.update'), leads), 'denied');
    t.is(await decide(of('member.update', 'staff'), leads), 'allowed');
    t.is(await decide(of('member.update', 'other'), leads), 'denied');
    t.is(await decide(of('member.delete', 'staff'), leads), 'allowed');
    t.is(await decide(of('member.delete', 'staff', 'kept'), leads), 'denied');
    t.is(await decide(of('member.delete', 'kept', 'staff'), leads), 'denied');
  }
});

test('a policy of which a part fails lets see nothing, wherever that part is', async (t) => {
  const failing = '9223372036854775807 + 1 > 0';
  for (const condition of [failing, `resource == principal || ${failing}`, `resource == principal && ${failing}`]) {
    for (const effect of ['permit', 'forbid']) {
      const broken = role(`broken ${effect} ${condition}`, [`${effect} (principal, action, resource) when { ${condition} };`]);
      t.is(await seen('member.list', ALL, ADMIN, broken), 'denied', `${effect} ${condition}`);
    }
  }
});

test('conditions are made once for those whom no policy mentions, and each is of its own member', async (t) => {
  const fresh = new Policies();
  const roles = [role('seen', ['permit (principal, action, resource) when { resource == principal };'])];
  const named = [role('named', ['permit (principal == Musubi::Member::"m3", action, resource);', ...texts(roles)])];
  let reads = 0;
  const ask = (memberId: string, held: Role[]) =>
    fresh.seen({ memberId, action: 'member.list', resource: ALL }, held, async () => {
      reads++;
      return held;
    });
  for (let n = 0; n < 50; n++) t.deepEqual(await ask(`m${n}`, roles), { ids: [`m${n}`] });
  t.is(fresh.kept, 1);
  for (const memberId of ['m1', 'm3', 'm2', 'm3', 'm4']) {
    t.deepEqual(await ask(memberId, named), memberId === 'm3' ? true : { ids: [memberId] });
  }
  t.is(fresh.kept, 3, 'one more for those, and one for whom a policy names');
  t.is(reads, 2);
});

test('no more conditions are remembered than there is room for, however many names stand in a policy', async (t) => {
  const fresh = new Policies();
  const names = Array.from({ length: 1_001 }, (_, n) => `n${n}`);
  const named = names.map((name) => `Musubi::Member::"${name}"`);
  const roles = [role('names', [`permit (principal, action, resource) when { [${named}].contains(principal) };`])];
  for (const memberId of names) {
    t.is(await fresh.seen({ memberId, action: 'member.list', resource: ALL }, roles, async () => roles), true);
  }
  t.is(fresh.kept, 1, 'it begins again');
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
  'resource in Musubi::Role::"another"',
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
    resource: fc
      .record({ type: fc.constantFrom('Member', 'Job'), id, ownerId: id, roleIds: fc.subarray(['some', 'another']) })
      .map(({ roleIds, ...thing }) => ({
        ...thing,
        within: thing.type === 'Member' ? roleIds.map((roleId) => ({ type: 'Role', id: roleId })) : [],
      })),
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

test('who asks is the same to a policy whether it asks about itself or another, and to a list', async (t) => {
  const muted = role('muted', [
    'forbid (principal, action == Musubi::Action::"member.read", resource) when { principal has owner };',
  ]);
  for (const id of ['m1', 'm2']) {
    t.is(await decide(question('member.read', 'Member', id, id), ADMIN, muted), 'denied', id);
    t.is(
      await policies.seen(question('member.read', 'Member', id, id), [ADMIN, muted], async () => [ADMIN, muted]),
      'denied',
      id,
    );
  }
});
