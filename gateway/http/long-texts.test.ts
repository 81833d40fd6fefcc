import { displayName, email } from '#platform/validation/fields.ts';
import { longestNormalized, SLOW_TO_NORMALIZE } from '#platform/validation/normalization.fixture.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

// Serial: they watch every normalisation of the process, the gateway's among them.
const test = worldTest().serial;

test('a text that is too long is refused by its field before it is transformed', async (t) => {
  const { context: world } = t;
  const token = world.admin;
  const fields = (body: { errors: { field: string }[] }) => [...new Set(body.errors.map(({ field }) => field))].sort();
  const normalized = await longestNormalized(async () => {
    const changed = await send(world, 'PATCH', `/v1/members/${world.hanaId}`, {
      token,
      body: { displayName: SLOW_TO_NORMALIZE },
    });
    t.is(changed.status, 400);
    t.deepEqual(fields(changed.body), ['displayName']);
    for (const field of ['loginId', 'password', 'displayName', 'email']) {
      const good = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };
      const made = await send(world, 'POST', '/v1/members', { token, body: { ...good, [field]: SLOW_TO_NORMALIZE } });
      t.is(made.status, 400, field);
      t.deepEqual(fields(made.body), [field]);
    }
    const good = { loginId: 'taro', password: 'long enough' };
    for (const field of ['loginId', 'password']) {
      const login = await send(world, 'POST', '/v1/auth/login', { body: { ...good, [field]: SLOW_TO_NORMALIZE } });
      t.deepEqual(fields(login.body), [field]);
    }
    const words = Array.from({ length: 900 }, (_, i) => `word${i}`).join('+');
    const found = await send(world, 'GET', `/v1/members?query=${words}`, { token });
    t.is(found.status, 400);
    t.deepEqual(fields(found.body), ['query']);
  });
  // The names that the other bodies have.
  t.true(normalized < 10, `${normalized}`);
});

test('what is as long as it may be is taken in every form', (t) => {
  const longest = '\u1f82'.repeat(100);
  t.is(displayName.parse(longest.normalize('NFD')), longest, 'four UTF-16 units for each character');
  t.false(displayName.safeParse(`${longest}a`).success);
  t.false(displayName.safeParse(` ${longest}`).success, 'the contract counts what is sent');
  t.is(displayName.parse(' a '), 'a');
  const domain = `${'b'.repeat(63)}.`.repeat(3);
  t.true(email.safeParse(`a@${domain}${'c'.repeat(60)}`).success);
  t.false(email.safeParse(`a@${domain}${'c'.repeat(61)}`).success);
});
