import test from 'ava';
import { deadlineExceeded, type MusubiError } from '#platform/errors.ts';
import { authenticate } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { REFRESH_GRACE_MS } from '../domain.ts';
import { endOwnSession } from './end-session.ts';
import { logIn } from './log-in.ts';
import { logOut } from './log-out.ts';
import { refreshSession } from './refresh-session.ts';

/** Who was told that a session has ended finds it refused, and none of its sockets open. */

let auth: TestAuth;
/** The members whose sockets were closed. */
const closed: string[] = [];
let closing: () => Promise<unknown> = async () => undefined;
test.before(async () => {
  const sockets = {
    async closeSockets({ memberId }: { memberId: string }) {
      await closing();
      closed.push(memberId);
      return {};
    },
  };
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { sockets });
});
test.beforeEach(() => {
  closed.length = 0;
  closing = async () => undefined;
});
test.after.always(() => auth?.close());

async function session() {
  const loginId = freshLogin();
  await auth.member({ loginId });
  return await logIn(auth, loginOf(loginId));
}

type Tokens = Awaited<ReturnType<typeof session>>;

/** Every way in which one session ends that others outlive, and what it is told by. */
const ENDS: Record<string, { end: (tokens: Tokens) => Promise<unknown>; told?: string }> = {
  'a logout': { end: ({ accessToken }) => logOut(auth, accessToken) },
  'its end': {
    end: async ({ accessToken }) => {
      const { sessionId } = await authenticate(auth, accessToken);
      await endOwnSession(auth, { accessToken, sessionId });
    },
  },
  'a refresh token that comes again': {
    end: async ({ refreshToken }) => {
      await refreshSession(auth, refreshToken, { now: new Date() });
      await refreshSession(auth, refreshToken, { now: new Date(Date.now() + REFRESH_GRACE_MS + 1_000) });
    },
    told: 'REFRESH_TOKEN_REUSED',
  },
};

for (const [name, { end, told }] of Object.entries(ENDS)) {
  const outcome = (tokens: Tokens): Promise<string | undefined> =>
    end(tokens).then(
      () => undefined,
      ({ code }: MusubiError) => code,
    );

  test.serial(`${name} is acknowledged once tokens are refused and sockets are closed, in this order`, async (t) => {
    const tokens = await session();
    closing = async () => void (await t.throwsAsync(authenticate(auth, tokens.accessToken), { code: 'SESSION_REVOKED' }));
    const versionOf = async () => (await auth.store.members.findOne({ _id: tokens.memberId }))?.version ?? 0;
    const before = await versionOf();
    t.is(await outcome(tokens), told);
    t.deepEqual(closed, [tokens.memberId]);
    const outbox = auth.store.mongo.db.collection('outbox');
    const [event] = await outbox.find({ aggregateid: tokens.memberId, type: 'auth.session-ended' }).toArray();
    t.is(event?.version, before + 1, 'it is newer than all that was told before');
    t.is(await versionOf(), before + 1);
  });

  test.serial(`${name} is not acknowledged while nobody knows of its sockets, and has ended the session`, async (t) => {
    const tokens = await session();
    closing = () => Promise.reject(deadlineExceeded('SERVICE_TIMEOUT', 'no answer'));
    t.is(await outcome(tokens), 'SOCKETS_OPEN');
    await t.throwsAsync(authenticate(auth, tokens.accessToken), { code: 'SESSION_REVOKED' });
    const outbox = auth.store.mongo.db.collection('outbox');
    t.is(await outbox.countDocuments({ aggregateid: tokens.memberId, type: 'auth.session-ended' }), 1, 'sockets hear of it');
  });
}

test.serial('who ends no session closes no socket', async (t) => {
  const tokens = await session();
  const other = await session();
  const { sessionId } = await authenticate(auth, other.accessToken);
  await t.throwsAsync(endOwnSession(auth, { accessToken: tokens.accessToken, sessionId }), { code: 'SESSION_NOT_FOUND' });
  await refreshSession(auth, tokens.refreshToken);
  t.deepEqual(closed, []);
});
