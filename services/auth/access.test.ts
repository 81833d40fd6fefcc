import { randomUUID } from 'node:crypto';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
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
  const message = 'You may not do this: it needs the permission member.delete.';
  await t.throwsAsync(authorize(auth, { accessToken, action: 'member.delete', resource: member('m2') }), { ...DENIED, message });
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

test('a policy that no list could hold to is refused, and named', async (t) => {
  const put = auth.role('unlistable', [
    'permit (principal, action, resource);',
    'permit (principal, action == Musubi::Action::"member.list", resource) when { principal in resource };',
  ]);
  const error = await t.throwsAsync(put, { instanceOf: MusubiError, code: 'POLICY_NOT_LISTABLE' });
  t.deepEqual(
    error.fields.map(({ field }) => field),
    ['roles[0].policies[1].cedar'],
  );
  t.is(await auth.store.roles.countDocuments({ _id: 'unlistable' }), 0);
});

test('who filters gets what may be seen; who does not is refused what is not allowed outright', async (t) => {
  await auth.role('sees-editors', ['permit (principal, action, resource in Musubi::Role::"editors");']);
  const { memberId, accessToken } = await session(['sees-editors']);
  const ask = (action: string, resource: ReturnType<typeof member>, filtered: boolean) =>
    authorize(auth, { accessToken, action, resource, filtered });
  const editors = { in: [{ type: 'Role', id: 'editors' }] };
  t.like(await ask('member.list', member(), true), { memberId, seen: editors });
  await t.throwsAsync(ask('member.list', member(), false), DENIED);
  await auth.role('editors', []);
  const editor = await auth.member({ loginId: freshLogin(), roleIds: ['editors'] });
  t.like(await ask('member.read', member(editor), true), { memberId, seen: true }, 'of one of them Auth knows it');
  for (const filtered of [true, false]) await t.throwsAsync(ask('member.read', member(memberId), filtered), DENIED);
  const nobody = await session([]);
  await t.throwsAsync(
    authorize(auth, { accessToken: nobody.accessToken, action: 'member.list', resource: member(), filtered: true }),
    DENIED,
  );
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

test.serial('who asks about much at once, by many policies that are not parsed yet, lets others have their turn', async (t) => {
  const roleIds = Array.from({ length: 5 }, () => randomUUID());
  const texts = Array.from(
    { length: 20 },
    (_, n) => `permit (principal, action, resource) when { resource == Musubi::Role::"${n}" };`,
  );
  for (const roleId of roleIds) await auth.role(roleId, texts);
  const { accessToken } = await session(roleIds);
  const actions = ['member.register', 'member.read', 'member.update', 'member.delete', 'member.suspend', 'member.reinstate'];
  const checks = actions.map((action) => ({ action, resource: member('m2') }));
  // One that is asked after the first, and is parsed already.
  await check(auth, { accessToken, checks: checks.slice(-1) });
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  const { find } = auth.store.roles;
  auth.store.roles.find = ((...args: Parameters<typeof find>) => {
    const found = find.apply(auth.store.roles, args);
    const { toArray } = found;
    // From here on it waits for nothing but its own work.
    found.toArray = async () => {
      const all = await toArray.call(found);
      turns = 0;
      setImmediate(count);
      return all;
    };
    return found;
  }) as typeof find;
  t.deepEqual(await check(auth, { accessToken, checks }), Array(6).fill(false));
  isOver = true;
  auth.store.roles.find = find;
  t.true(turns >= 2, `${turns} turns`);
});

// Serial: it counts every query that the database sees.
test.serial('a permission check is one look-up in the store', async (t) => {
  const { accessToken } = await session(['reader', 'admin']);
  const { db } = auth.store.mongo;
  const question = { action: 'member.read', resource: member('m2') };
  await authorize(auth, { accessToken, ...question });
  await db.command({ profile: 2 });
  for (let count = 0; count < 9; count++) await authorize(auth, { accessToken, ...question, filtered: count % 2 === 0 });
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

test('what a member is in, the store says, in the same look-up: now, and whatever was decided before', async (t) => {
  const staff = `staff-${randomUUID()}`;
  await auth.role(staff, []);
  await auth.role(`leads-${staff}`, [
    `permit (principal, action == Musubi::Action::"member.update", resource in Musubi::Role::"${staff}");`,
  ]);
  const { accessToken } = await session([`leads-${staff}`]);
  const memberId = await auth.member({ loginId: freshLogin(), roleIds: [] });
  await auth.store.members.updateOne({ _id: memberId }, { $set: { status: 'suspended' } });
  const question = { action: 'member.update', resource: member(memberId) };
  const may = async (): Promise<boolean[]> =>
    await check(auth, { accessToken, checks: [question, { ...question, resource: member(randomUUID()) }] });
  t.deepEqual(await may(), [false, false]);
  await auth.store.members.updateOne({ _id: memberId }, { $set: { roleIds: [staff] } });
  t.deepEqual(await may(), [true, false], 'whether it is suspended or not');
  await t.notThrowsAsync(authorize(auth, { accessToken, ...question }));
  await auth.store.members.updateOne({ _id: memberId }, { $set: { roleIds: [] } });
  t.deepEqual(await may(), [false, false]);
  await t.throwsAsync(authorize(auth, { accessToken, ...question }), DENIED);
});

test('a policy that comes and goes while it is asked for is in force whenever that was acknowledged', async (t) => {
  const roleId = `fleeting-${randomUUID()}`;
  const policy = { policyId: `fleeting-${randomUUID()}`, name: '', cedar: 'permit (principal, action, resource);' };
  await auth.role(roleId, []);
  const { accessToken } = await session([roleId]);
  const checks = [{ action: 'member.update', resource: member('m2') }];
  /** Undefined while it is being changed: then either answer is right. */
  let phase: { there: boolean; answers: number } | undefined;
  const wrong = { allowed: 0, denied: 0 };
  let asking = true;
  const ask = async (): Promise<void> => {
    while (asking) {
      const begun = phase;
      const [allowed = false] = await check(auth, { accessToken, checks });
      if (!begun || begun !== phase) continue;
      begun.answers++;
      if (allowed !== begun.there) wrong[allowed ? 'allowed' : 'denied']++;
    }
  };
  const askers = Array.from({ length: 8 }, ask);
  const lasts = async (there: boolean): Promise<void> => {
    const begun = { there, answers: 0 };
    phase = begun;
    await until(() => begun.answers >= 10);
    phase = undefined;
  };
  for (let round = 0; round < 10; round++) {
    await auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy });
    await lasts(true);
    await auth.steps.detachPolicy({ operationId: randomUUID(), roleId, policyId: policy.policyId });
    await lasts(false);
  }
  asking = false;
  await Promise.all(askers);
  t.deepEqual(wrong, { allowed: 0, denied: 0 });
});
