import test from 'ava';
import { authenticate } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { REFRESH_GRACE_MS, REFRESH_IDLE_MS, SESSION_MAX_MS } from '../domain.ts';
import { logIn } from './log-in.ts';
import { logOut } from './log-out.ts';
import { refreshSession } from './refresh-session.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const INVALID = { code: 'REFRESH_TOKEN_INVALID' };
const REUSED = { code: 'REFRESH_TOKEN_REUSED' };

async function session() {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const tokens = await logIn(auth, loginOf(loginId));
  const began = Date.now();
  /** `ms` after the session began. */
  const after = (ms: number) => new Date(began + ms);
  return { ...tokens, memberId, after };
}

test('a refresh token gives its successor and a new access token of the same session', async (t) => {
  const first = await session();
  const second = await refreshSession(auth, first.refreshToken);
  t.not(second.refreshToken, first.refreshToken);
  const [before, now] = [await authenticate(auth, first.accessToken), await authenticate(auth, second.accessToken)];
  t.is(now.sessionId, before.sessionId);
  t.is(now.memberId, first.memberId);
  const third = await refreshSession(auth, second.refreshToken);
  t.is(new Set([first.refreshToken, second.refreshToken, third.refreshToken]).size, 3);
});

test('a good token is found and replaced by one call of the store, and no session outlasts its end', async (t) => {
  const one = await session();
  const { memberId, after } = one;
  const { members } = auth.store;
  const asked: string[] = [];
  const counting = new Proxy(members, {
    get: (target, name) => {
      if (['findOne', 'updateOne'].includes(String(name))) asked.push(String(name));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const counted = { ...auth, store: { ...auth.store, members: counting } };
  const { refreshToken } = await refreshSession(counted, one.refreshToken, { now: after(1_000) });
  t.deepEqual(asked.splice(0), ['updateOne']);
  const expiry = async () => (await members.findOne({ _id: memberId }))?.sessions[0]?.expiresAt;
  t.deepEqual(await expiry(), after(1_000 + REFRESH_IDLE_MS));
  await members.updateOne({ _id: memberId }, { $set: { 'sessions.0.endsAt': after(REFRESH_IDLE_MS) } });
  await refreshSession(counted, refreshToken, { now: after(2_000) });
  t.deepEqual(asked, ['updateOne', 'findOne', 'updateOne']);
  t.deepEqual(await expiry(), after(REFRESH_IDLE_MS));
});

test('a replaced token that comes again later ends the whole session', async (t) => {
  const first = await session();
  const second = await refreshSession(auth, first.refreshToken, { now: first.after(0) });
  await t.throwsAsync(refreshSession(auth, first.refreshToken, { now: first.after(REFRESH_GRACE_MS + 1) }), REUSED);
  await t.throwsAsync(refreshSession(auth, second.refreshToken, { now: first.after(REFRESH_GRACE_MS + 2) }), INVALID);
  await t.throwsAsync(authenticate(auth, second.accessToken), { code: 'SESSION_REVOKED' });
  t.is((await endings(first.memberId)).length, 1);
});

/** What was told of sessions that ended. */
const endings = (memberId: string) =>
  auth.store.mongo.db.collection('outbox').find({ aggregateid: memberId, type: 'auth.session-ended' }).toArray();

test('a logout is told, once, with the next version and no secret', async (t) => {
  const { accessToken, refreshToken, memberId } = await session();
  const before = await auth.store.members.findOne({ _id: memberId });
  await Promise.all([logOut(auth, accessToken), logOut(auth, accessToken)]);
  await logOut(auth, accessToken);
  const [event, ...more] = await endings(memberId);
  t.is(more.length, 0);
  const version = (before?.version ?? 0) + 1;
  t.like(event, { aggregatetype: 'auth', version });
  t.deepEqual(JSON.parse(event?.payload), { memberId, status: 'active', version });
  t.false(JSON.stringify(event).includes(refreshToken.split('.').at(-1) ?? ''));
});

test('two tabs that refresh at once get the same successor, and both go on', async (t) => {
  const first = await session();
  const both = await Promise.all([1, 2, 3, 4].map(() => refreshSession(auth, first.refreshToken, { now: first.after(0) })));
  t.is(new Set(both.map(({ refreshToken }) => refreshToken)).size, 1);
  const late = await refreshSession(auth, first.refreshToken, { now: first.after(REFRESH_GRACE_MS - 1) });
  t.is(late.refreshToken, both[0]?.refreshToken ?? '');
  await t.notThrowsAsync(refreshSession(auth, late.refreshToken, { now: first.after(REFRESH_GRACE_MS) }));
});

test('the grace is for the newest replaced token only', async (t) => {
  const first = await session();
  const second = await refreshSession(auth, first.refreshToken, { now: first.after(0) });
  await refreshSession(auth, second.refreshToken, { now: first.after(1) });
  await t.throwsAsync(refreshSession(auth, first.refreshToken, { now: first.after(2) }), REUSED);
});

test('a thief within the grace is found out at the next refresh', async (t) => {
  const owner = await session();
  const owners = await refreshSession(auth, owner.refreshToken, { now: owner.after(0) });
  const thiefs = await refreshSession(auth, owner.refreshToken, { now: owner.after(1_000) });
  await refreshSession(auth, thiefs.refreshToken, { now: owner.after(2_000) });
  await t.throwsAsync(refreshSession(auth, owners.refreshToken, { now: owner.after(300_000) }), REUSED);
});

test('a made-up token is nothing, and harms nobody', async (t) => {
  const { refreshToken, accessToken } = await session();
  const parts = refreshToken.split('.');
  const forged = [...parts.slice(0, 3), Buffer.alloc(32).toString('base64url')].join('.');
  for (const bad of ['', 'x', forged, `${refreshToken}x`, refreshToken.slice(1), 'musubi_rt1.$gt.$ne.$in']) {
    await t.throwsAsync(refreshSession(auth, bad), INVALID, bad);
  }
  await t.notThrowsAsync(authenticate(auth, accessToken));
  await t.notThrowsAsync(refreshSession(auth, refreshToken));
});

test('a session that is over is not refreshed', async (t) => {
  const { accessToken, refreshToken } = await session();
  await logOut(auth, accessToken);
  await t.throwsAsync(refreshSession(auth, refreshToken), INVALID);
});

test('unused for 30 days it is over; used, it lasts to its end', async (t) => {
  const idle = await session();
  await t.throwsAsync(refreshSession(auth, idle.refreshToken, { now: idle.after(REFRESH_IDLE_MS) }), INVALID);
  const used = await session();
  let { refreshToken } = used;
  let age = 0;
  while (age + REFRESH_IDLE_MS - 120_000 < SESSION_MAX_MS) {
    age += REFRESH_IDLE_MS - 120_000;
    ({ refreshToken } = await refreshSession(auth, refreshToken, { now: used.after(age) }));
  }
  await t.throwsAsync(refreshSession(auth, refreshToken, { now: used.after(SESSION_MAX_MS) }), INVALID);
});
