import { randomUUID } from 'node:crypto';
import test from 'ava';
import { authenticate, authorize, check } from './access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { logIn } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('admin', ['permit (principal, action, resource);']);
  await auth.role('reader', ['permit (principal, action == Musubi::Action::"member.read", resource);']);
});
test.after.always(() => auth?.close());

const REVOKED = { code: 'SESSION_REVOKED' };
const DENIED = { code: 'PERMISSION_DENIED' };
const member = (id = '') => ({ type: 'Member', id, ownerId: '' });

async function session(roleIds: string[]): Promise<{ memberId: string; accessToken: string; loginId: string }> {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  return { memberId, accessToken, loginId };
}

test('a token says whose it is while its session lasts', async (t) => {
  const { memberId, accessToken } = await session([]);
  t.like(await authenticate(auth, accessToken), { memberId });
  await logOut(auth, accessToken);
  await t.throwsAsync(authenticate(auth, accessToken), REVOKED);
  await t.throwsAsync(authorize(auth, { accessToken, action: 'member.read', resource: member() }), REVOKED);
  await t.notThrowsAsync(logOut(auth, accessToken), 'twice is once');
});

test('nothing is decided for a caller that has left', async (t) => {
  const { accessToken } = await session(['reader']);
  const question = { action: 'member.read', resource: member() };
  const left = new AbortController();
  const GONE = { code: 'CALLER_GONE' };
  const asked = check(auth, { accessToken, checks: [question] }, left.signal);
  left.abort();
  await t.throwsAsync(asked, GONE);
  await t.throwsAsync(authorize(auth, { accessToken, ...question }, left.signal), GONE);
});

test('a session past its expiry is over, though its token and its document are still there', async (t) => {
  const { memberId, accessToken } = await session(['reader']);
  const expireIn = (ms: number) =>
    auth.store.members.updateOne({ _id: memberId }, { $set: { 'sessions.0.expiresAt': new Date(Date.now() + ms) } });
  const question = { action: 'member.read', resource: member() };
  await expireIn(-1);
  await t.throwsAsync(authenticate(auth, accessToken), REVOKED);
  await t.throwsAsync(authorize(auth, { accessToken, ...question }), REVOKED);
  await t.throwsAsync(check(auth, { accessToken, checks: [question] }), REVOKED);
  await expireIn(3_600_000);
  await t.notThrowsAsync(authorize(auth, { accessToken, ...question }), 'nothing else was wrong with it');
});

test('ending one session leaves the others', async (t) => {
  const { accessToken, loginId } = await session([]);
  const other = await logIn(auth, loginOf(loginId));
  await logOut(auth, accessToken);
  await t.notThrowsAsync(authenticate(auth, other.accessToken));
});

test('a member may do what its roles permit', async (t) => {
  const { memberId, accessToken } = await session(['reader']);
  t.like(await authorize(auth, { accessToken, action: 'member.read', resource: member('m2') }), { memberId });
  await t.throwsAsync(authorize(auth, { accessToken, action: 'member.delete', resource: member('m2') }), DENIED);
  await t.throwsAsync(authorize(auth, { accessToken, action: 'member.fly', resource: member('m2') }), DENIED);
});

test('many questions are answered at once, in their order; what nobody knows of is not allowed', async (t) => {
  const { accessToken } = await session(['reader']);
  const checks = ['member.read', 'member.delete', 'member.fly', 'member.read'].map((action) => ({
    action,
    resource: member('m2'),
  }));
  t.deepEqual(await check(auth, { accessToken, checks }), [true, false, false, true]);
  const nothing = await session([]);
  t.deepEqual(await check(auth, { accessToken: nothing.accessToken, checks }), [false, false, false, false]);
  await logOut(auth, accessToken);
  await t.throwsAsync(check(auth, { accessToken, checks }), REVOKED);
});

test('changed roles and policies hold from the next call on', async (t) => {
  const { memberId, accessToken } = await session(['reader']);
  const may = () => authorize(auth, { accessToken, action: 'member.delete', resource: member('m2') });
  await t.throwsAsync(may(), DENIED);
  await auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: ['admin'] });
  await t.notThrowsAsync(may());
  await auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: [] });
  await t.throwsAsync(may(), DENIED);

  await auth.role('changing', ['permit (principal, action, resource);'], 1);
  await auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: ['changing'] });
  await t.notThrowsAsync(may());
  await auth.role('changing', ['forbid (principal, action, resource);'], 2);
  await t.throwsAsync(may(), DENIED);
  await auth.role('changing', ['permit (principal, action, resource);'], 2);
  await t.throwsAsync(may(), DENIED, 'not newer: not taken');
  await auth.role('changing', ['permit (principal, action, resource);'], 1);
  await t.throwsAsync(may(), DENIED, 'older: not taken');
});

test('policies that are no good are refused as a whole', async (t) => {
  await t.throwsAsync(auth.role('bad', ['permit (principal, action, resource);', 'permit all']), { code: 'INVALID_POLICY' });
  t.is(await auth.store.roles.countDocuments({ _id: 'bad' }), 0);
});

test('a suspended member is nobody, at once; undone, its tokens are good again', async (t) => {
  const { memberId, accessToken, loginId } = await session(['admin']);
  await auth.steps.suspendLogin({ operationId: `suspend-${memberId}`, memberId });
  await t.throwsAsync(authorize(auth, { accessToken, action: 'member.read', resource: member() }), REVOKED);
  await t.throwsAsync(logIn(auth, loginOf(loginId)), { code: 'LOGIN_SUSPENDED' });
  await t.throwsAsync(logIn(auth, loginOf(loginId, 'wrong password')), { code: 'BAD_CREDENTIALS' }, 'others are not told');
  await auth.steps.undo({ operationId: `suspend-${memberId}` });
  await t.notThrowsAsync(authorize(auth, { accessToken, action: 'member.read', resource: member() }));
});

// Serial: it counts every query that the database sees.
test.serial('a permission check is one look-up in the store', async (t) => {
  const { accessToken } = await session(['reader', 'admin']);
  const { db } = auth.store.mongo;
  const question = { action: 'member.read', resource: member('m2') };
  await authorize(auth, { accessToken, ...question });
  await db.command({ profile: 2 });
  for (let count = 0; count < 9; count++) await authorize(auth, { accessToken, ...question });
  await check(auth, { accessToken, checks: Array(100).fill(question) });
  await db.command({ profile: 0 });
  const seen = await db
    .collection('system.profile')
    // The server itself (its expiry of old documents, once a minute) has no name.
    .find({ ns: { $ne: `${db.databaseName}.system.profile` }, appName: 'musubi' })
    .toArray();
  t.deepEqual(
    seen.map(({ op, ns }) => `${op} ${ns}`),
    Array(10).fill(`command ${db.databaseName}.members`),
  );
});
