import { randomUUID } from 'node:crypto';
import test from 'ava';
import { authenticate } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { logIn } from '../rpcs/log-in.ts';
import { refreshSession } from '../rpcs/refresh-session.ts';
import { stagePassword } from '../rpcs/stage-password.ts';

/** A login is closed and opened again; somebody who can log in is always an administrator. */

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  for (const role of ['admin', 'reader']) await auth.role(role, ['permit (principal, action, resource);']);
});
test.beforeEach(async () => void (await auth.store.members.deleteMany({})));
test.after.always(() => auth?.close());

const admin = () => auth.member({ roleIds: ['admin'] });
const suspend = (memberId: string, operationId: string = randomUUID()) => auth.steps.suspendLogin({ operationId, memberId });
const member = (memberId: string) => auth.store.members.findOne({ _id: memberId });
const lastEvent = (memberId: string) =>
  auth.store.mongo.db.collection('outbox').findOne({ aggregateid: memberId }, { sort: { version: -1 } });
const open = () => auth.store.members.countDocuments({ status: 'active', roleIds: 'admin' });

test.serial('the login of the last administrator who can log in is not closed, and nothing is left of the try', async (t) => {
  const [one, other] = [await admin(), await admin()];
  const nobody = await auth.member();
  await suspend(other);
  const outbox = auth.store.mongo.db.collection('outbox');
  const before = await outbox.countDocuments();
  await t.throwsAsync(suspend(one, 'job/suspendLogin'), { code: 'LAST_ADMIN' });
  t.like(await auth.store.members.findOne({ _id: one }), { status: 'active', version: 2 });
  t.is(await outbox.countDocuments(), before);
  await t.notThrowsAsync(suspend(nobody), 'others may go');
  await t.notThrowsAsync(suspend(other), 'who is closed already is none of them');
  await auth.steps.reinstateLogin({ operationId: randomUUID(), memberId: other });
  await t.notThrowsAsync(suspend(one, 'job/suspendLogin'), 'once there is another, the same step may be tried again');
});

test.serial('of all administrators whose logins are closed at the same time one stays open', async (t) => {
  for (let round = 0; round < 10; round++) {
    const members = [await admin(), await admin(), await admin()];
    const outcomes = await Promise.allSettled(members.map((memberId) => suspend(memberId)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    t.deepEqual(
      refused.map(({ reason }) => reason.code),
      ['LAST_ADMIN'],
    );
    t.is(await open(), 1);
    await auth.store.members.deleteMany({});
  }
});

test.serial(
  'a suspended login keeps its name, password and roles, and has them when it is reinstated; its sessions ended',
  async (t) => {
    const loginId = freshLogin();
    const memberId = await auth.member({ loginId, roleIds: ['reader'] });
    const { accessToken, refreshToken } = await logIn(auth, loginOf(loginId));
    const operation = { operationId: randomUUID(), memberId };
    await t.throwsAsync(auth.steps.endSessions(operation), { code: 'LOGIN_NOT_SUSPENDED' });
    await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
    await Promise.all([auth.steps.endSessions(operation), auth.steps.endSessions(operation)]);
    t.like(await member(memberId), { status: 'suspended', sessions: [], roleIds: ['reader'] });
    await t.throwsAsync(auth.steps.undo(operation), { code: 'UNDO_IMPOSSIBLE' });
    await auth.steps.reinstateLogin({ operationId: randomUUID(), memberId });
    await t.throwsAsync(authenticate(auth, accessToken), { code: 'SESSION_REVOKED' });
    await t.throwsAsync(refreshSession(auth, refreshToken), { code: 'REFRESH_TOKEN_INVALID' });
    await t.notThrowsAsync(logIn(auth, loginOf(loginId)));
    t.like(await member(memberId), { status: 'active', roleIds: ['reader'] });
  },
);

test.serial('the undo of a reinstatement ends the sessions that were begun meanwhile', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  await suspend(memberId);
  await auth.steps.endSessions({ operationId: randomUUID(), memberId });
  const operationId = randomUUID();
  await auth.steps.reinstateLogin({ operationId, memberId });
  await logIn(auth, loginOf(loginId));
  await auth.steps.undo({ operationId });
  t.like(await member(memberId), { status: 'suspended', sessions: [] });
  t.is((await lastEvent(memberId))?.type, 'auth.login-suspended', 'so that the sockets of those are closed');
});

test.serial('no refresh token of a suspended login is good, though its session is kept for an undo', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const { refreshToken } = await logIn(auth, loginOf(loginId));
  const operationId = randomUUID();
  await suspend(memberId, operationId);
  await t.throwsAsync(refreshSession(auth, refreshToken), { code: 'REFRESH_TOKEN_INVALID' });
  await auth.steps.undo({ operationId });
  await t.notThrowsAsync(refreshSession(auth, refreshToken));
});

test.serial('who is suspended while its password is looked at gets no session, and is told why', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const members = new Proxy(auth.store.members, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'findOne') return value.bind(target);
      return async (...asked: unknown[]) => {
        const found: unknown = await value.apply(target, asked);
        await suspend(memberId);
        return found;
      };
    },
  });
  const slow = { ...auth, store: { ...auth.store, members } };
  await t.throwsAsync(logIn(slow, loginOf(loginId)), { code: 'LOGIN_SUSPENDED' });
  t.like(await member(memberId), { status: 'suspended', sessions: [] });
});

test.serial('the undo of a reinstatement leaves a login alone that was open before it', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  const operationId = randomUUID();
  await auth.steps.reinstateLogin({ operationId, memberId });
  await auth.steps.undo({ operationId });
  await t.notThrowsAsync(authenticate(auth, accessToken));
});

test.serial('the undo of a deletion opens no login that was closed before it', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  await suspend(memberId);
  const operationId = randomUUID();
  await suspend(memberId, operationId);
  await auth.steps.undo({ operationId });
  t.like(await member(memberId), { status: 'suspended' });
  await t.throwsAsync(logIn(auth, loginOf(loginId)), { code: 'LOGIN_SUSPENDED' });
});

test.serial('a login that is not open yet gets no roles, and its removal is newer than all that was told of it', async (t) => {
  const memberId = randomUUID();
  const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
  await auth.steps.bindLogin({ operationId: randomUUID(), memberId, loginId: freshLogin(), passwordRef });
  const change = { operationId: randomUUID(), memberId, roleIds: ['reader'] };
  await t.throwsAsync(auth.steps.changeRoles(change), { code: 'MEMBER_NOT_FOUND' });
  t.like(await member(memberId), { status: 'pending', roleIds: [] });
  await suspend(memberId);
  const { version = 0 } = (await member(memberId)) ?? {};
  await auth.steps.removeLogin({ operationId: randomUUID(), memberId });
  t.like(await lastEvent(memberId), { type: 'auth.login-removed', version: version + 1 });
});
