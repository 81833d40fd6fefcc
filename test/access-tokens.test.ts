import test, { type ExecutionContext } from 'ava';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose';
import { pino } from 'pino';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { AccessTokens } from '../services/auth/access-tokens.ts';
import { LOGIN_RULES } from '../services/auth/auth.fixture.ts';
import { KeyRing, type SigningKeyDocument } from '../services/auth/signing-keys.ts';
import { openStore, type Store } from '../services/auth/store.ts';
import { Vault } from '../services/auth/vault.ts';
import { address, admin, Client, login, type Registered, register, unique } from './client.ts';
import { Socket } from './socket.ts';

/**
 * Tokens that the system's own key has signed, so that a signature is never why they are refused: Auth's own code
 * opens the key, as an Auth process does.
 */
const ISSUER = address('MUSUBI_PUBLIC_URL');
const log = pino({ level: 'silent' });
const lifecycle = new Lifecycle(log, 10_000);
let store: Store;
let vault: Vault;
let keys: KeyRing;
test.before(async () => {
  const masterKey = new Secret(address('MUSUBI_AUTH_MASTER_KEY'));
  const url = new Secret(address('MUSUBI_MONGODB_URL'));
  store = await openStore({ url, log, lifecycle, masterKey, loginRules: LOGIN_RULES });
  vault = new Vault(masterKey, 'signing keys');
  keys = new KeyRing(store.signingKeys, vault, store.clock);
  await keys.maintain();
});
test.after.always(() => lifecycle.stop('done'));

interface Session {
  one: Registered;
  /** With the token that the login gave. */
  self: Client;
  /** Whose token it is, and of which session: the session is there, so it is not why a token is refused. */
  who: { memberId: string; sessionId: string };
}

async function session(): Promise<Session> {
  const one = await register(await admin());
  const self = await login(one.loginId, one.password);
  return { one, self, who: { memberId: one.memberId, sessionId: String(decodeJwt(self.token ?? '').sid) } };
}

/** A good token, except for these claims and header fields. */
async function signed(
  who: Session['who'],
  { typ, kid, ...claims }: { typ?: string; kid?: string } & JWTPayload = {},
): Promise<string> {
  const good = await new AccessTokens(keys, ISSUER, store.clock).issue(who);
  const { alg = '', ...header } = decodeProtectedHeader(good);
  return await new SignJWT({ ...decodeJwt(good), ...claims })
    .setProtectedHeader({ ...header, alg, ...(typ && { typ }), ...(kid && { kid }) })
    .sign(keys.signingKey().privateKey);
}

/** The gateway refuses to read and to write, the websocket service refuses both ways in, and nothing has changed. */
async function refused(t: ExecutionContext, { one, self }: Session, token: string, code: string, name: string): Promise<void> {
  const path = `/v1/members/${one.memberId}`;
  const before = await self.get(path);
  t.is(before.status, 200, name);
  const bearer = new Client(token);
  const answers = [
    await bearer.get('/v1/members/me'),
    await bearer.patch(path, { displayName: unique('changed') }, { prefer: 'wait=30' }),
    await bearer.post('/v1/auth/logout'),
  ];
  for (const { status, headers, body } of answers) {
    t.is(status, 401, `${name}: ${JSON.stringify(body)}`);
    t.is(headers.get('content-type')?.split(';')[0], 'application/problem+json', name);
    t.like(body, { status: 401, code }, name);
    t.truthy(body.title && body.type && body.traceId, name);
    t.regex(headers.get('www-authenticate') ?? '', /^Bearer realm="musubi", error="invalid_token", error_description="/, name);
  }

  t.is(await (await Socket.open(token)).closeCode(30), 4401, name);
  const socket = await Socket.open();
  socket.send({ type: 'auth', token });
  socket.send({ type: 'subscribe', topics: ['member:me'] });
  t.is(await socket.closeCode(30), 4401, name);
  t.deepEqual(socket.frames, [], name);

  const after = await self.get(path);
  t.is(after.headers.get('etag'), before.headers.get('etag'), name);
  t.deepEqual(after.body, before.body, name);
  t.deepEqual((await self.get('/v1/jobs')).body, { items: [] }, `${name}: not even a job was issued`);
}

test('an expired token is refused by the gateway and by the websocket, and nothing changes', async (t) => {
  const its = await session();
  const past = new AccessTokens(keys, ISSUER, { now: () => store.clock.now() - 301_000 });
  await refused(t, its, await past.issue(its.who), 'TOKEN_EXPIRED', 'issued 301 seconds ago');
  const now = Math.floor(Date.now() / 1_000);
  await refused(t, its, await signed(its.who, { exp: now - 1 }), 'TOKEN_EXPIRED', 'expired a second ago');
});

test('a token whose session is past its expiry is refused, read or write', async (t) => {
  const { self, who } = await session();
  await store.members.updateOne(
    { _id: who.memberId, 'sessions.id': who.sessionId },
    { $set: { 'sessions.$.expiresAt': new Date(Date.now() - 1_000) } },
  );
  const answers = [
    await self.get('/v1/members/me'),
    await self.get('/v1/jobs'),
    await self.patch(`/v1/members/${who.memberId}`, { displayName: 'late' }),
    await self.post('/v1/auth/check', { checks: [{ action: 'member.list', resource: { type: 'Member' } }] }),
  ];
  for (const { status, body } of answers) t.like({ ...body, status }, { status: 401, code: 'SESSION_REVOKED' });
  t.is(await (await Socket.open(self.token)).closeCode(30), 4403);
});

test('a token of our key that is for another time, use, reader or from another issuer is refused', async (t) => {
  const its = await session();
  const now = Math.floor(Date.now() / 1_000);
  await refused(t, its, await signed(its.who, { nbf: now + 120 }), 'TOKEN_INVALID', 'not yet valid');
  await refused(t, its, await signed(its.who, { aud: 'another' }), 'TOKEN_INVALID', 'another audience');
  await refused(t, its, await signed(its.who, { iss: `${ISSUER}/` }), 'TOKEN_INVALID', 'another issuer');
  await refused(t, its, await signed(its.who, { typ: 'JWT' }), 'TOKEN_INVALID', 'another type');

  // Neither is a text, and the first would be an operator in a query.
  await refused(t, its, await signed(its.who, { sub: { $gt: '' } as unknown as string }), 'TOKEN_INVALID', 'an object as sub');
  await refused(t, its, await signed(its.who, { sid: [its.who.sessionId] }), 'TOKEN_INVALID', 'a list as sid');

  const good = new Client(await signed(its.who));
  t.is((await good.get('/v1/members/me')).body.id, its.one.memberId, 'what is signed here is good otherwise');
  const socket = await Socket.open(good.token);
  socket.send({ type: 'ping' });
  await socket.frame(({ type }) => type === 'pong');
  await socket.close();
});

test('a token of a key that was ours is good as long as the JWKS has the key, and refused after that', async (t) => {
  const its = await session();
  // Auth's own code makes the key, in a collection of this test's own.
  const elsewhere = store.mongo.db.collection<SigningKeyDocument>(unique('signing_keys'));
  t.teardown(() => elsewhere.drop());
  const ring = new KeyRing(elsewhere, vault, store.clock);
  await ring.maintain();
  const { kid } = ring.signingKey();
  const token = await new AccessTokens(ring, ISSUER, store.clock).issue(its.who);
  const made = await elsewhere.findOne({ kid });
  if (!made) throw new Error('the key was not stored');
  const published = async (): Promise<boolean> => {
    const { keys: all } = (await new Client().get('/.well-known/jwks.json')).body as { keys: { kid: string }[] };
    return all.some((key) => key.kid === kid);
  };
  t.false(await published());

  // A key of long ago: replaced, and kept for the tokens that it has signed.
  await store.signingKeys.insertOne({ ...made, _id: 0, activeAt: new Date(0), expiresAt: new Date(Date.now() + 3_600_000) });
  t.teardown(() => store.signingKeys.deleteOne({ _id: 0 }));
  await eventually('the key is taken up', async () => (await new Client(token).get('/v1/members/me')).status === 200);
  t.true(await published());

  await store.signingKeys.deleteOne({ _id: 0 });
  const unknown = new Client(await signed(its.who, { kid: unique('kid') }));
  await eventually('the key is dropped', async () => {
    t.is((await unknown.get('/v1/members/me')).body.code, 'TOKEN_INVALID', 'a key ID that is not ours');
    return !(await published());
  });
  await refused(t, its, token, 'TOKEN_INVALID', 'a key that the JWKS has no longer');
  t.is((await its.self.get('/v1/members/me')).status, 200, 'the tokens of the other key stay good');
});

/** Auth looks at its keys every minute, and every five seconds at most when it meets one that it does not know. */
async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 150_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not yet after 150 s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
