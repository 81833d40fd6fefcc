import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { authenticate } from '../access.ts';
import { CHEAP, freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { SESSIONS_KEPT, type Session } from '../domain.ts';
import { HashQueue } from '../hash-queue.ts';
import { logIn } from './log-in.ts';
import { refreshSession } from './refresh-session.ts';
import { stagePassword } from './stage-password.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const BAD = { code: 'BAD_CREDENTIALS', message: 'The login or the password is wrong.' };
const login = (loginId: string, password = PASSWORD) => logIn(auth, loginOf(loginId, password));

test('a member logs in by its login in any case, and no hash or token is stored as it is', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const tokens = await login(loginId.toUpperCase());
  t.is(tokens.memberId, memberId);
  t.like(await authenticate(auth, tokens.accessToken), { memberId });
  const stored = await auth.store.members.findOne({ _id: memberId });
  t.is(stored?.sessions[0]?.userAgent, 'test');
  const text = JSON.stringify(stored);
  for (const secret of [PASSWORD, tokens.refreshToken, tokens.accessToken]) t.false(text.includes(secret));
});

test('whatever is wrong, the answer is the same', async (t) => {
  const loginId = freshLogin();
  await auth.member({ loginId });
  await t.throwsAsync(login(loginId, 'not the password'), BAD);
  await t.throwsAsync(login(loginId, ''), BAD);
  await t.throwsAsync(login(loginId, 'x'.repeat(100_000)), BAD);
  await t.throwsAsync(login(freshLogin()), BAD, 'unknown');
  await t.throwsAsync(login(''), BAD);
  const pending = freshLogin();
  const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
  await auth.steps.bindLogin({ operationId: randomUUID(), memberId: randomUUID(), loginId: pending, passwordRef });
  await t.throwsAsync(login(pending), BAD, 'bound, but not registered yet');
});

test.serial('an unknown login takes as much work as a wrong password', async (t) => {
  // A real cost, so that a skipped hash would show. The least of interleaved tries, in CPU time: others on the machine make
  // all of it wait, and this process does nothing beside it.
  const slow = await auth.sibling({ cost: { memory: 19_456, passes: 2, parallelism: 1 }, queue: new HashQueue(1, 10) });
  t.teardown(() => slow.lifecycle.stop('done'));
  const loginId = freshLogin();
  await slow.member({ loginId });
  const work = async (who: string) => {
    const from = process.cpuUsage();
    await t.throwsAsync(logIn(slow, loginOf(who, 'wrong password')), BAD);
    const { user, system } = process.cpuUsage(from);
    return (user + system) / 1e3;
  };
  let [known, unknown] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const alike = () => unknown / known > 0.8 && unknown / known < 1.25;
  for (let round = 0; round < 10 || (round < 150 && !alike()); round++) {
    known = Math.min(known, await work(loginId));
    unknown = Math.min(unknown, await work(freshLogin()));
  }
  t.log(`unknown ${unknown.toFixed(1)} ms, known ${known.toFixed(1)} ms`);
  t.true(alike(), `unknown ${unknown} ms, known ${known} ms`);
});

test('a password is rehashed at a login after the cost changed', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const dearer = await auth.sibling({ cost: { ...CHEAP, passes: 3 } });
  t.teardown(() => dearer.lifecycle.stop('done'));
  await t.throwsAsync(logIn(dearer, loginOf(loginId, 'wrong password')), BAD);
  const stored = async () => (await auth.store.members.findOne({ _id: memberId }))?.password;
  t.like(await stored(), CHEAP, 'not by a wrong one');
  await logIn(dearer, loginOf(loginId));
  t.like(await stored(), { passes: 3 });
  await t.notThrowsAsync(logIn(dearer, loginOf(loginId)));
});

test('the sessions used last are kept, a bounded number of them', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const idle = await login(loginId);
  const used = await login(loginId);
  for (let count = 2; count < SESSIONS_KEPT; count++) await login(loginId);
  const { accessToken } = await refreshSession(auth, used.refreshToken);
  await t.notThrowsAsync(authenticate(auth, idle.accessToken));
  const endings = () =>
    auth.store.mongo.db.collection('outbox').find({ aggregateid: memberId, type: 'auth.session-ended' }).toArray();
  t.deepEqual(await endings(), []);
  await login(loginId);
  const kept = await auth.store.members.findOne({ _id: memberId });
  t.is(kept?.sessions.length, SESSIONS_KEPT);
  const told = (await endings()).map(({ payload }) => JSON.parse(payload));
  t.deepEqual(told, [{ memberId, status: 'active', version: kept?.version }], 'so that its sockets are closed');
  await t.throwsAsync(authenticate(auth, idle.accessToken), { code: 'SESSION_REVOKED' });
  await t.notThrowsAsync(authenticate(auth, accessToken));
});

test('a login that cannot end the session that is one too many leaves none behind', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const { accessToken } = await login(loginId);
  const [session] = (await auth.store.members.findOne({ _id: memberId }))?.sessions ?? [];
  const ids = Array.from({ length: SESSIONS_KEPT - 1 }, (_, i) => `idle ${i}`);
  const sessions = [...ids.map((id, i) => ({ ...session, id, lastUsedAt: new Date(i) })), session] as Session[];
  await auth.store.members.updateOne({ _id: memberId }, { $set: { sessions } });
  const kept = async () => (await auth.store.members.findOne({ _id: memberId }))?.sessions.map(({ id }) => id);
  const before = await kept();
  const { db } = auth.store.mongo;
  await db.command({ collMod: 'outbox', validator: { aggregateid: { $ne: memberId } } });
  await t.throwsAsync(login(loginId), { message: /validation/ });
  t.deepEqual(await kept(), before);
  await t.notThrowsAsync(authenticate(auth, accessToken));
  await db.command({ collMod: 'outbox', validator: {} });
  await login(loginId);
  const [ended, ...others] = before ?? [];
  t.is(ended, 'idle 0');
  t.deepEqual((await kept())?.slice(0, -1), others);
});

test('too many at once are refused as busy, and nothing else waits', async (t) => {
  const queue = new HashQueue(1, 2);
  const busy = await auth.sibling({ queue });
  t.teardown(() => busy.lifecycle.stop('done'));
  // A hash that lasts until all have come, however slowly they do.
  const hash = Promise.withResolvers<void>();
  const running = queue.run(['unknown'], () => hash.promise);
  let refused = 0;
  const tries = Array.from({ length: 12 }, () =>
    logIn(busy, loginOf(freshLogin())).catch(({ code }: MusubiError) => {
      if (code === 'TOO_BUSY' && ++refused === 10) hash.resolve();
      return code;
    }),
  );
  t.deepEqual((await Promise.all(tries)).sort(), [...Array(2).fill('BAD_CREDENTIALS'), ...Array(10).fill('TOO_BUSY')]);
  await running;
});
