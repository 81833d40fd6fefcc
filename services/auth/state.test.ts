import { randomUUID } from 'node:crypto';
import test from 'ava';
import { byTests, lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { serveGrpc } from '#platform/grpc/server.ts';
import { createLogger } from '#platform/process/log.ts';
import { PAGE } from '#platform/state.ts';
import { type State, StateServiceService, type TellStateRequest } from '#proto/musubi/state/v1/state.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { logIn } from './rpcs/log-in.ts';
import { authState } from './state.ts';

let auth: TestAuth;
let state: Peer<StateServiceService>;
/** The IDs of all members, in their order. */
let ids: string[];
/** What is stored of a member and opens something. */
let secrets: string[];
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  const { store, lifecycle } = auth;
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const tokens = await logIn(auth, loginOf(loginId));
  const member = await store.members.findOne({ _id: memberId });
  if (!member) throw new Error('the member is not there');
  const [session] = member.sessions;
  secrets = [member.password.hash, member.password.salt, session?.tokenHash ?? '', tokens.accessToken, tokens.refreshToken];
  const others = Array.from({ length: 2 * PAGE + 7 }, (_, i) => {
    const login = freshLogin();
    const status = i % 3 === 0 ? ('suspended' as const) : member.status;
    return { ...member, _id: randomUUID(), loginId: login, loginKey: login, status, version: i + 1 };
  });
  await store.members.insertMany(others);
  ids = [memberId, ...others.map(({ _id }) => _id)].toSorted();

  const { definition, handlers } = authState(store);
  const at = {
    listen: { host: '127.0.0.1', port: 0 },
    callers: lettingTestsIn('auth'),
    log: createLogger('auth', 'error'),
    lifecycle,
  };
  const port = await serveGrpc(at, definition as StateServiceService, handlers as never);
  state = connectPeer(`127.0.0.1:${port}`, StateServiceService, lifecycle, byTests('auth'));
});
test.after.always(() => auth?.close());

const tell = (which: Partial<TellStateRequest> = {}): Promise<State[]> =>
  Array.fromAsync(state.tellState({ aggregateType: 'auth', afterId: '', limit: 0, ids: [], ...which }, { timeoutMs: 30_000 }));
const idsOf = (states: State[]) => states.map(({ id }) => id);

test('all logins are told, page by page, in the order of their IDs, each as it is', async (t) => {
  const told = await tell();
  t.deepEqual(idsOf(told), ids);
  const members = await auth.store.members.find().sort({ _id: 1 }).toArray();
  t.deepEqual([...new Set(members.map(({ status }) => status))].sort(), ['active', 'suspended']);
  for (const [i, { _id: id, status, version }] of members.entries()) {
    const payloadJson = JSON.stringify({ memberId: id, status, version });
    t.deepEqual(told[i], {
      aggregateType: 'auth',
      id,
      version,
      type: 'auth.login-told',
      payloadJson,
      deleted: false,
      changing: false,
    });
  }
});

test('nothing that opens a login is told', async (t) => {
  t.true(secrets.every((secret) => secret.length > 10));
  const text = JSON.stringify(await tell());
  for (const [i, secret] of secrets.entries()) t.false(text.includes(secret), `secret ${i}`);
});

test('it goes on after the ID that an earlier call has ended at', async (t) => {
  const found: string[] = [];
  for (let afterId = ''; ; ) {
    const page = idsOf(await tell({ afterId, limit: PAGE + 1 }));
    t.true(page.length <= PAGE + 1);
    found.push(...page);
    if (page.length === 0) break;
    afterId = page.at(-1) ?? '';
  }
  t.deepEqual(found, ids);
  t.deepEqual(idsOf(await tell({ afterId: ids[9] ?? '', limit: 3 })), ids.slice(10, 13));
  t.deepEqual(idsOf(await tell({ afterId: ids[9] ?? '' })), ids.slice(10));
});

test('of certain IDs those are told that there are', async (t) => {
  const wanted = [ids[700], ids[3], ids[1_004]] as string[];
  t.deepEqual(idsOf(await tell({ ids: [...wanted, randomUUID()] })), wanted.toSorted());
  t.deepEqual(await tell({ ids: [randomUUID()] }), []);
  t.is((await tell({ ids: ids.slice(0, 1_000) })).length, 1_000);
  await t.throwsAsync(tell({ ids: ids.slice(0, 1_001) }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(tell({ aggregateType: 'member' }), { code: 'INVALID_ARGUMENT' });
});

test('readers keep no versions of logins, so none is raised', async (t) => {
  const [id = ''] = ids;
  const before = await tell({ ids: [id] });
  t.deepEqual(await state.raiseVersions({ aggregateType: 'auth', seen: [{ type: 'auth', id, version: 900 }] }), { written: [] });
  t.deepEqual(await tell({ ids: [id] }), before);
});
