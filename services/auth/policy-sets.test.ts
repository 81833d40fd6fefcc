import test from 'ava';
import type { Role } from './domain.ts';
import { ADMIN, MEMBER, question, role } from './policies.fixture.ts';
import { Policies } from './policies.ts';
import { PolicySets } from './policy-sets.ts';

test('policies about other actions are none of a question', async (t) => {
  const fresh = new Policies();
  const roles = [
    role('two', [
      'permit (principal, action == Musubi::Action::"member.read", resource);',
      'permit (principal, action in [Musubi::Action::"member.update"], resource == Musubi::Member::"m7");',
    ]),
  ];
  const ask = (action: string, id: string) => fresh.decide(question(action, 'Member', id), roles, async () => roles);
  t.deepEqual([await ask('member.read', 'm7'), await ask('member.read', 'm8')], ['allowed', 'allowed']);
  t.is(fresh.kept, 1, 'what another action depends on tells no questions apart');
  t.deepEqual([await ask('member.update', 'm7'), await ask('member.update', 'm8')], ['allowed', 'denied']);
  t.is(fresh.kept, 3);
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

test('the newest combinations stay parsed, as many as fit', (t) => {
  const sets = new PolicySets(3);
  const roles = Array.from({ length: 9 }, (_, id) => [role(`kept${id}`, ['permit (principal, action, resource);'])]);
  for (const one of roles) sets.of(one, 'member.read');
  t.deepEqual(
    roles.flatMap((one, id) => (sets.find(one, 'member.read') ? id : [])),
    [6, 7, 8],
  );
});

test('a role that who asks holds is told from one that it does not, though no policy mentions either', async (t) => {
  const held = role('held', [
    'permit (principal, action == Musubi::Action::"role.update", resource) when { principal in resource };',
  ]);
  for (const order of [
    ['held', 'other'],
    ['other', 'held'],
  ]) {
    const fresh = new Policies();
    for (const id of order)
      t.is(
        await fresh.decide(question('role.update', 'Role', id), [held], async () => [held]),
        id === 'held' ? 'allowed' : 'denied',
        `${order}: ${id}`,
      );
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
