import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { authenticate } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { endOwnSession } from '../rpcs/end-session.ts';
import { logIn, type Tokens } from '../rpcs/log-in.ts';
import { refreshSession } from '../rpcs/refresh-session.ts';
import { stagePasswordChange } from '../rpcs/stage-password-change.ts';
import { forgetExpiredSessions } from '../store.ts';

/** A password is changed, or it is as it was: its sessions, too. */

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const NEW = 'another password of tests';

async function member() {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const open = (password = PASSWORD) => logIn(auth, loginOf(loginId, password));
  const [own, other] = [await open(), await open()];
  const { sessionId } = await authenticate(auth, own.accessToken);
  const stage = (currentPassword = PASSWORD, newPassword = NEW, accessToken = own.accessToken) =>
    stagePasswordChange(auth, { accessToken, currentPassword, newPassword, source: '192.0.2.1', deviceCookie: '' });
  const change = (passwordRef: string, endOtherSessions = true, operationId: string = randomUUID()) =>
    auth.steps.changePassword({ operationId, memberId, sessionId, passwordRef, endOtherSessions });
  const settle = () => auth.steps.settlePassword({ operationId: randomUUID(), memberId });
  const stored = () => auth.store.members.findOne({ _id: memberId });
  return { memberId, loginId, open, own, other, stage, change, settle, stored };
}
const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    ({ code }: MusubiError) => code,
  );
const refreshed = ({ refreshToken }: Tokens) => codeOf(refreshSession(auth, refreshToken));
const known = ({ accessToken }: Tokens) => codeOf(authenticate(auth, accessToken));

test('the new password holds, the former one is wrong, and of the other sessions no token is good', async (t) => {
  const { open, own, other, stage, change, settle, stored, memberId } = await member();
  const ref = await stage();
  await change(ref);
  t.is(await codeOf(open()), 'BAD_CREDENTIALS');
  t.is(await codeOf(open(NEW)), undefined);
  t.deepEqual([await known(own), await refreshed(own)], [undefined, undefined]);
  t.deepEqual([await known(other), await refreshed(other)], ['SESSION_REVOKED', 'REFRESH_TOKEN_INVALID']);
  t.is(await auth.store.secrets.countDocuments({ _id: ref }), 0);
  t.truthy((await stored())?.formerPassword);
  await settle();
  const { formerPassword, sessions, version } = (await stored()) ?? {};
  t.is(formerPassword, undefined, 'nothing is left of it');
  t.is(sessions?.length, 2, 'its own, and the one that was begun with the new password');
  const told = await auth.store.mongo.db.collection('outbox').find({ aggregateid: memberId }).toArray();
  t.deepEqual(
    told.map(({ type, version }) => ({ type, version })),
    [{ type: 'auth.session-ended', version }],
  );
});

test('who does not ask for it keeps its other sessions, and nothing is told', async (t) => {
  const { other, stage, change, settle, memberId } = await member();
  await change(await stage(), false);
  await settle();
  t.deepEqual([await known(other), await refreshed(other)], [undefined, undefined]);
  t.is(await auth.store.mongo.db.collection('outbox').countDocuments({ aggregateid: memberId }), 0);
});

test('undone, the former password holds, and all sessions are as they were', async (t) => {
  const { open, own, other, stage, change, stored } = await member();
  const before = await stored();
  const [ref, operationId] = [await stage(), randomUUID()];
  await change(ref, true, operationId);
  await forgetExpiredSessions(auth.store);
  await auth.steps.undo({ operationId });
  const after = await stored();
  const still = { version: 0, updatedAt: 0 };
  t.deepEqual({ ...after, ...still } as unknown, { ...before, ...still });
  t.is(after?.version, (before?.version ?? 0) + 2, 'what is told later is newer than the end of the sessions');
  t.is(await codeOf(open(NEW)), 'BAD_CREDENTIALS');
  t.is(await codeOf(open()), undefined);
  for (const tokens of [own, other]) t.deepEqual([await known(tokens), await refreshed(tokens)], [undefined, undefined]);
  await auth.steps.undo({ operationId });
  t.is(await codeOf(change(ref, true, operationId)), 'OPERATION_UNDONE');
});

test('the undo of a change that never happened does nothing', async (t) => {
  const { stage, change, stored } = await member();
  const operationId = randomUUID();
  await auth.steps.undo({ operationId });
  const before = await stored();
  t.is(await codeOf(change(await stage(), true, operationId)), 'OPERATION_UNDONE');
  t.deepEqual(await stored(), before);
});

test('raced by its undo, it is as before, and it can not be done any more', async (t) => {
  const { open, stage, change, stored } = await member();
  const before = await stored();
  const [ref, operationId] = [await stage(), randomUUID()];
  await Promise.allSettled([change(ref, true, operationId), auth.steps.undo({ operationId })]);
  await auth.steps.undo({ operationId });
  const still = { version: 0, updatedAt: 0 };
  t.deepEqual({ ...(await stored()), ...still } as unknown, { ...before, ...still });
  t.is(await codeOf(change(ref, true, operationId)), 'OPERATION_UNDONE');
  t.is(await codeOf(open()), undefined);
});

test('a repeat is the same change', async (t) => {
  const { stage, change, stored } = await member();
  const [ref, operationId] = [await stage(), randomUUID()];
  await Promise.all([change(ref, true, operationId), change(ref, true, operationId)]);
  const after = await stored();
  await change(ref, true, operationId);
  t.deepEqual(await stored(), after);
});

test('of changes at once that knew the same password one is done, and of the others nothing is left', async (t) => {
  const { open, stage, change, settle } = await member();
  const words = ['the first of them', 'the second of them', 'the third of them'];
  const refs = await Promise.all(words.map((word) => stage(PASSWORD, word)));
  // As their sagas do: who is told that another is at it, comes again.
  const untilSettled = async (ref: string): Promise<string | undefined> => {
    for (;;) {
      const code = await codeOf(change(ref));
      if (code === undefined) await settle();
      if (code !== 'LOGIN_BUSY' && code !== 'STORE_CONFLICT') return code;
    }
  };
  const outcomes = await Promise.all(refs.map(untilSettled));
  t.deepEqual(outcomes.toSorted(), ['PASSWORD_CHANGED', 'PASSWORD_CHANGED', undefined]);
  const opens = await Promise.all(words.map((word) => codeOf(open(word))));
  t.deepEqual(
    opens.map((code) => code === undefined),
    outcomes.map((code) => code === undefined),
  );
  t.is(await auth.store.secrets.countDocuments({ _id: { $in: refs } }), 0);
});

test('while a change can still be undone no other is begun, so that the undo finds what it left', async (t) => {
  const { open, stage, change, settle } = await member();
  const operationId = randomUUID();
  await change(await stage(), true, operationId);
  const next = await stage(NEW, 'and one more password');
  t.is(await codeOf(change(next)), 'LOGIN_BUSY');
  await settle();
  await change(next);
  t.is(await codeOf(open('and one more password')), undefined);
});

test('a login that is suspended or gone gets no new password', async (t) => {
  const one = await member();
  const ref = await one.stage();
  const operationId = randomUUID();
  await auth.steps.suspendLogin({ operationId, memberId: one.memberId });
  t.is(await codeOf(one.stage()), 'SESSION_REVOKED');
  t.is(await codeOf(one.change(ref)), 'LOGIN_SUSPENDED');
  t.is(await auth.store.secrets.countDocuments({ _id: ref }), 0, 'and it is not kept for later');
  await auth.steps.undo({ operationId });
  t.is(await codeOf(one.open()), undefined);
  const other = await member();
  const late = await other.stage();
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId: other.memberId });
  await auth.steps.removeLogin({ operationId: randomUUID(), memberId: other.memberId });
  t.is(await codeOf(other.change(late)), 'LOGIN_NOT_FOUND');
});

test('a suspension in the middle of a change ends the sessions for good, also those that an undo of the change would give back', async (t) => {
  const { own, other, stage, change, stored, memberId } = await member();
  const operationId = randomUUID();
  await change(await stage(), true, operationId);
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  await auth.steps.endSessions({ operationId: randomUUID(), memberId });
  await auth.steps.undo({ operationId });
  await auth.steps.reinstateLogin({ operationId: randomUUID(), memberId });
  t.deepEqual((await stored())?.sessions, []);
  for (const tokens of [own, other]) t.is(await known(tokens), 'SESSION_REVOKED');
});

test('a session that has ended changes no password any more', async (t) => {
  const { own, other, stage, change, stored } = await member();
  const ref = await stage();
  const { sessionId } = await authenticate(auth, own.accessToken);
  await endOwnSession(auth, { accessToken: other.accessToken, sessionId });
  const before = await stored();
  t.is(await codeOf(change(ref)), 'PERMISSION_REVOKED');
  t.deepEqual(await stored(), before);
});

test('nor does one that has run out', async (t) => {
  const { own, stage, change, stored } = await member();
  const ref = await stage();
  const { memberId, sessionId } = await authenticate(auth, own.accessToken);
  const over = { $set: { 'sessions.$.expiresAt': new Date() } };
  await auth.store.members.updateOne({ _id: memberId, 'sessions.id': sessionId }, over);
  const { password, version } = (await stored()) ?? {};
  t.is(await codeOf(change(ref)), 'PERMISSION_REVOKED');
  // Another test may have it forgotten meanwhile.
  t.like(await stored(), { password, version });
});

test('a refresh that has begun does not bring back a session that the change has ended', async (t) => {
  const { other, stage, change } = await member();
  const { store } = auth;
  const ref = await stage();
  // It ends soon, so it is looked at before it is replaced.
  const { memberId, sessionId } = await authenticate(auth, other.accessToken);
  const endsAt = new Date(Date.now() + 3_600_000);
  await store.members.updateOne({ _id: memberId, 'sessions.id': sessionId }, { $set: { 'sessions.$.endsAt': endsAt } });
  let changed: Promise<unknown> | undefined;
  const members = new Proxy(store.members, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'findOne') return value.bind(target);
      return async (...asked: unknown[]) => {
        const found: unknown = await value.apply(target, asked);
        changed ??= change(ref);
        await changed;
        return found;
      };
    },
  });
  t.is(await codeOf(refreshSession({ ...auth, store: { ...store, members } }, other.refreshToken)), 'REFRESH_TOKEN_INVALID');
  t.truthy(changed);
  t.is(await known(other), 'SESSION_REVOKED');
});
