import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { HashQueue } from '../hash-queue.ts';
import { logIn } from './log-in.ts';
import { stagePasswordChange } from './stage-password-change.ts';

/** Who changes a password gives the current one, within the limits on guessing. */

const slow = (burst: number) => ({ burst, everySeconds: 3_600 });
let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, {
    rates: { sourceAndLogin: slow(3), source: slow(100), login: slow(5) },
  });
});
test.after.always(() => auth?.close());

const NEW = 'another password of tests';
const SOURCE = '192.0.2.1';

async function loggedIn(loginId = freshLogin()) {
  const memberId = await auth.member({ loginId });
  const { accessToken, deviceCookie } = await logIn(auth, { ...loginOf(loginId), source: SOURCE });
  const change = (given: Partial<Parameters<typeof stagePasswordChange>[1]> = {}, at = auth) =>
    stagePasswordChange(at, {
      accessToken,
      currentPassword: PASSWORD,
      newPassword: NEW,
      source: SOURCE,
      deviceCookie: '',
      ...given,
    });
  return { memberId, loginId, accessToken, deviceCookie, change };
}
const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    ({ code }: MusubiError) => code,
  );

test('who gives the current password stages another one, which stands nowhere as it is', async (t) => {
  const { change, memberId } = await loggedIn();
  const ref = await change();
  const staged = await auth.store.secrets.findOne({ _id: ref });
  const member = await auth.store.members.findOne({ _id: memberId });
  t.is(staged?.replaces, member?.password.hash);
  for (const secret of [NEW, PASSWORD]) t.false(JSON.stringify([staged, member]).includes(secret));
});

test('who is suspended after it was known is told so, and stages nothing', async (t) => {
  const { change, memberId } = await loggedIn();
  const sessions = {
    facts: async (...asked: Parameters<typeof auth.sessions.facts>) => {
      const found = await auth.sessions.facts(...asked);
      await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
      return found;
    },
  };
  const { password } = (await auth.store.members.findOne({ _id: memberId })) ?? {};
  await t.throwsAsync(change({}, { ...auth, sessions: sessions as never }), { code: 'LOGIN_SUSPENDED' });
  t.is(await auth.store.secrets.countDocuments({ replaces: password?.hash ?? '' }), 0);
});

// Serial: it counts all that is staged.
test.serial(
  'a wrong password, a weak one, the same one and a token that is not good are each refused, and nothing is staged',
  async (t) => {
    const { change, accessToken } = await loggedIn();
    const staged = await auth.store.secrets.countDocuments();
    const wrong = await t.throwsAsync<MusubiError>(change({ currentPassword: 'not the password' }));
    t.like(wrong, { code: 'CURRENT_PASSWORD_WRONG', fields: [{ field: 'currentPassword' }] });
    const weak = await t.throwsAsync<MusubiError>(change({ newPassword: 'password1' }));
    t.like(weak, { code: 'WEAK_PASSWORD', fields: [{ field: 'newPassword', code: 'TOO_COMMON' }] });
    const same = { newPassword: PASSWORD };
    t.like(await t.throwsAsync(change(same)), { code: 'PASSWORD_UNCHANGED', fields: [{ field: 'newPassword' }] });
    const wide = { newPassword: PASSWORD.replace('a', '\uff41') };
    t.is(await codeOf(change(wide)), 'PASSWORD_UNCHANGED', 'nor the same as another keyboard has it');
    t.is(await codeOf(change({ accessToken: `${accessToken}x` })), 'TOKEN_INVALID');
    t.is(await auth.store.secrets.countDocuments(), staged);
  },
);

test('a token gives no more guesses than the login has, and what is guessed here counts there', async (t) => {
  const { change, loginId } = await loggedIn();
  const wrong = () => codeOf(change({ currentPassword: 'not the password' }));
  for (let i = 0; i < 3; i++) t.is(await wrong(), 'CURRENT_PASSWORD_WRONG');
  t.is(await wrong(), 'TOO_MANY_ATTEMPTS');
  t.is(await codeOf(change()), 'TOO_MANY_ATTEMPTS', 'not even the right one is looked at');
  const from = { ...loginOf(loginId), source: SOURCE };
  t.is(await codeOf(logIn(auth, from)), 'TOO_MANY_ATTEMPTS');
});

test('nor do guesses from many places, or many at once', async (t) => {
  const { change } = await loggedIn();
  const guesses = Array.from({ length: 30 }, (_, i) =>
    codeOf(change({ currentPassword: 'not the password', source: `198.51.100.${i}` })),
  );
  const looked = (await Promise.all(guesses)).filter((code) => code === 'CURRENT_PASSWORD_WRONG').length;
  // As many for all strangers as the login has, and as many first guesses.
  t.true(looked <= 10, `${looked}`);
});

test('who has stolen a token keeps the member out neither of its device nor of where it has been', async (t) => {
  const { change, deviceCookie } = await loggedIn();
  for (let i = 0; i < 12; i++) await codeOf(change({ currentPassword: 'not the password', source: `203.0.113.${i}` }));
  t.is(await codeOf(change({ source: '203.0.113.99' })), 'TOO_MANY_ATTEMPTS');
  t.is(await codeOf(change({ source: '203.0.113.99', deviceCookie })), undefined);
  t.is(await codeOf(change()), undefined);
});

test('hashes wait for their turn with the logins of the same place', async (t) => {
  const queue = new HashQueue(1, 8);
  const busy = await auth.sibling({ queue });
  t.teardown(() => busy.lifecycle.stop('done'));
  const { change } = await loggedIn();
  const hash = Promise.withResolvers<void>();
  const running = queue.run(['unknown'], () => hash.promise);
  const outcomes = Array.from({ length: 6 }, () => codeOf(change({}, busy)));
  const first = await Promise.race(outcomes);
  t.is(first, 'TOO_BUSY', 'one place does not take all');
  hash.resolve();
  await running;
  await Promise.all(outcomes);
});
