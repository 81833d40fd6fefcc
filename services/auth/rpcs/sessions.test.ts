import { randomUUID } from 'node:crypto';
import test from 'ava';
import { authenticate } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { forgetExpiredSessions } from '../store.ts';
import { endOwnSession } from './end-session.ts';
import { listSessions } from './list-sessions.ts';
import { logIn } from './log-in.ts';
import { refreshSession } from './refresh-session.ts';

/** A member sees and ends its sessions. */

let auth: TestAuth;
let now = Date.now();
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
});
test.after.always(() => auth?.close());

/** A member with a session for each of these sources; a second lies between two logins. */
async function memberAt(...sources: string[]) {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const tokens = [];
  for (const [index, source] of sources.entries()) {
    tokens.push(await logIn(auth, { ...loginOf(loginId), source, userAgent: `agent ${index}` }));
    now += 1_000;
  }
  return { memberId, loginId, tokens };
}

const list = (accessToken: string, more: { pageSize?: number; pageToken?: string } = {}) =>
  listSessions(auth, { accessToken, pageSize: 0, pageToken: '', ...more });

test.serial('a member sees its sessions, the newest first, and which of them it is in', async (t) => {
  const { tokens } = await memberAt('192.0.2.1', '2001:db8::/64', '');
  await memberAt('192.0.2.9');
  const [first, second, third] = tokens.map(({ accessToken }) => accessToken);
  const { sessions, nextPageToken } = await list(second ?? '');
  t.is(nextPageToken, '');
  t.deepEqual(
    sessions.map(({ address, userAgent, current }) => ({ address, userAgent, current })),
    [
      { address: '', userAgent: 'agent 2', current: false },
      { address: '2001:db8::/64', userAgent: 'agent 1', current: true },
      { address: '192.0.2.1', userAgent: 'agent 0', current: false },
    ],
  );
  t.is(sessions[0]?.sessionId, (await authenticate(auth, third ?? '')).sessionId);
  const fields = ['address', 'createdAt', 'current', 'expiresAt', 'lastUsedAt', 'sessionId', 'userAgent'];
  t.deepEqual(Object.keys(sessions[0] ?? {}).sort(), fields, 'and nothing that opens one');
  const before = sessions[2]?.lastUsedAt?.getTime() ?? 0;
  await authenticate(auth, first ?? '');
  const used = async () => (await list(second ?? '')).sessions[2]?.lastUsedAt?.getTime();
  t.is(await used(), before, 'a request writes nothing');
  now += 60_000;
  await refreshSession(auth, tokens[0]?.refreshToken ?? '');
  t.is(await used(), now);
});

test.serial('sessions come in pages, each once, also while others begin and end', async (t) => {
  const { tokens, loginId } = await memberAt('a', 'b', 'c', 'd', 'e');
  const accessToken = tokens[4]?.accessToken ?? '';
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = await list(accessToken, { pageSize: 2, pageToken });
    t.true(page.sessions.length <= 2);
    seen.push(...page.sessions.map(({ address }) => address));
    pageToken = page.nextPageToken;
    await logIn(auth, { ...loginOf(loginId), source: 'later' });
    if (seen.length === 2) {
      // The last that was seen.
      const sessionId = page.sessions[1]?.sessionId ?? '';
      await endOwnSession(auth, { accessToken, sessionId });
    }
  } while (pageToken);
  t.deepEqual(seen, ['e', 'd', 'c', 'b', 'a']);
  for (const wrong of ['x', 'W10', Buffer.from('1.').toString('base64url')])
    await t.throwsAsync(list(accessToken, { pageToken: wrong }), { code: 'PAGE_TOKEN_INVALID' }, wrong);
  for (const pageSize of [-1, 101]) await t.throwsAsync(list(accessToken, { pageSize }), { code: 'INVALID_ARGUMENT' });
});

test.serial('an address is kept sealed for its member, and goes with its session', async (t) => {
  const { memberId, tokens } = await memberAt('198.51.100.77');
  const stored = () => auth.store.members.findOne({ _id: memberId });
  t.false(JSON.stringify(await stored()).includes('198.51.100.77'));
  const address = (await stored())?.sessions[0]?.address;
  const other = await memberAt('192.0.2.1');
  // Of another member it can not be read.
  await auth.store.members.updateOne({ _id: other.memberId }, { $set: { 'sessions.0.address': address } });
  t.deepEqual(
    (await list(other.tokens[0]?.accessToken ?? '')).sessions.map((one) => one.address),
    [''],
  );
  t.is((await list(tokens[0]?.accessToken ?? '')).sessions[0]?.address, '198.51.100.77');
  const { sessionId } = await authenticate(auth, tokens[0]?.accessToken ?? '');
  await endOwnSession(auth, { accessToken: tokens[0]?.accessToken ?? '', sessionId });
  t.deepEqual((await stored())?.sessions, []);
});

test.serial('of a session that has expired nothing is shown, and soon nothing is kept', async (t) => {
  const { memberId, tokens } = await memberAt('a', 'b');
  const expiresAt = new Date(now);
  await auth.store.members.updateOne({ _id: memberId }, { $set: { 'sessions.0.expiresAt': expiresAt } });
  const addresses = async () => (await list(tokens[1]?.accessToken ?? '')).sessions.map(({ address }) => address);
  t.deepEqual(await addresses(), ['b']);
  const sessions = async () => (await auth.store.members.findOne({ _id: memberId }))?.sessions.length;
  t.is(await sessions(), 2);
  await forgetExpiredSessions(auth.store);
  t.is(await sessions(), 1);
  t.deepEqual(await addresses(), ['b']);
});

test.serial('a member ends one of its sessions, and none of another', async (t) => {
  const { memberId, tokens } = await memberAt('a', 'b');
  const other = await memberAt('c');
  const [accessToken = '', theirs = ''] = [tokens[0]?.accessToken, other.tokens[0]?.accessToken];
  const { sessionId } = await authenticate(auth, tokens[1]?.accessToken ?? '');
  await t.throwsAsync(endOwnSession(auth, { accessToken: theirs, sessionId }), { code: 'SESSION_NOT_FOUND' });
  await t.throwsAsync(endOwnSession(auth, { accessToken, sessionId: randomUUID() }), { code: 'SESSION_NOT_FOUND' });
  t.is((await authenticate(auth, tokens[1]?.accessToken ?? '')).sessionId, sessionId, 'nobody has ended it yet');
  await endOwnSession(auth, { accessToken, sessionId });
  await t.throwsAsync(authenticate(auth, tokens[1]?.accessToken ?? ''), { code: 'SESSION_REVOKED' });
  await t.throwsAsync(refreshSession(auth, tokens[1]?.refreshToken ?? ''), { code: 'REFRESH_TOKEN_INVALID' });
  await t.throwsAsync(endOwnSession(auth, { accessToken, sessionId }), { code: 'SESSION_NOT_FOUND' });
  const told = await auth.store.mongo.db
    .collection('outbox')
    .find({ aggregateid: memberId, type: 'auth.session-ended' })
    .toArray();
  t.is(told.length, 1);
  const own = (await authenticate(auth, accessToken)).sessionId;
  await endOwnSession(auth, { accessToken, sessionId: own });
  await t.throwsAsync(list(accessToken), { code: 'SESSION_REVOKED' }, 'its own, too');
});
