import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose';
import { Secret } from '#platform/process/config.ts';
import { authenticate } from './access.ts';
import { AccessTokens } from './access-tokens.ts';
import { ISSUER, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { logOut } from './rpcs/log-out.ts';
import { KeyRing } from './signing-keys.ts';
import { Vault } from './vault.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const WHO = { memberId: 'm1', sessionId: 's1' };
const INVALID = { code: 'TOKEN_INVALID' };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test('a token has the RFC 9068 profile and leads back to its member and session', async (t) => {
  const token = await auth.accessTokens.issue(WHO);
  t.like(decodeProtectedHeader(token), { alg: 'ES256', typ: 'at+jwt' });
  const claims = decodeJwt(token);
  t.like(claims, { iss: ISSUER, aud: 'musubi', sub: 'm1', sid: 's1', client_id: 'musubi' });
  t.is((claims.exp ?? 0) - (claims.iat ?? 0), 300);
  t.truthy(claims.jti);
  t.like(await auth.accessTokens.verify(token), { ...WHO, expiresAt: claims.exp ?? 0 });
});

test('a token says how long it is still good, wherever it is asked', async (t) => {
  const began = Math.floor(auth.store.clock.now() / 1_000) * 1_000;
  const at = (ms: number) => new AccessTokens(auth.keys, ISSUER, { now: () => began + ms });
  const token = await at(0).issue(WHO);
  for (const [ms, left] of [
    // Another process that knows the time a little less well.
    [-700, 300],
    [0, 300],
    [100_400, 200],
    [299_999, 1],
  ] as const)
    t.is((await at(ms).verify(token)).expiresIn, left, `${ms} ms`);
  await t.throwsAsync(at(300_000).verify(token), { code: 'TOKEN_EXPIRED' });
});

test('a token that was verified before is as good as its key and its time', async (t) => {
  let now = Date.now();
  const one = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  t.teardown(() => one.close());
  const token = await one.accessTokens.issue(WHO);
  await one.accessTokens.verify(token);
  t.like(await one.accessTokens.verify(token), { ...WHO, expiresIn: 300 });
  now += 299_000;
  t.like(await one.accessTokens.verify(token), { ...WHO, expiresIn: 1 });
  now += 1_000;
  await t.throwsAsync(one.accessTokens.verify(token), { code: 'TOKEN_EXPIRED' });

  const other = await one.accessTokens.issue(WHO);
  await one.accessTokens.verify(other);
  await one.store.signingKeys.deleteMany({});
  t.like(await one.accessTokens.verify(other), WHO, 'nobody was told yet');
  await one.keys.maintain();
  await t.throwsAsync(one.accessTokens.verify(other), INVALID, 'a key that was taken away verifies nothing any more');
});

test('no more tokens are remembered than there is room for', async (t) => {
  const few = new AccessTokens(auth.keys, ISSUER, auth.store.clock, 2);
  const tokens = await Promise.all([1, 2, 3].map((n) => few.issue({ memberId: `m${n}`, sessionId: 's' })));
  for (const token of [...tokens, ...tokens]) await few.verify(token);
  t.is(few.remembered, 2);
});

const claims = (kid: string, { typ = 'at+jwt', iss = ISSUER, aud = 'musubi', exp = 300 } = {}) =>
  new SignJWT({ client_id: 'musubi', sid: 's1' })
    .setProtectedHeader({ alg: 'ES256', typ, kid })
    .setIssuer(iss)
    .setAudience(aud)
    .setSubject('m1')
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1_000) + exp)
    .setJti('j');

test('only what we signed for this purpose is ours', async (t) => {
  const { kid, privateKey } = auth.keys.signingKey();
  const verify = (token: string) => auth.accessTokens.verify(token);
  await t.notThrowsAsync(verify(await claims(kid).sign(privateKey)));
  await t.throwsAsync(verify(await claims(kid, { typ: 'JWT' }).sign(privateKey)), INVALID, 'another type');
  await t.throwsAsync(verify(await claims(kid, { iss: 'https://else.example' }).sign(privateKey)), INVALID, 'another issuer');
  await t.throwsAsync(verify(await claims(kid, { aud: 'else' }).sign(privateKey)), INVALID, 'another audience');
  await t.throwsAsync(verify(await claims(kid, { exp: -1 }).sign(privateKey)), { code: 'TOKEN_EXPIRED' });
  await t.throwsAsync(verify(await claims('unknown').sign(privateKey)), INVALID, 'a key ID that is not ours');
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  await t.throwsAsync(verify(await claims(kid).sign(foreign)), INVALID, 'our key ID, another key');
  await t.throwsAsync(verify(await claims(kid, { exp: -1 }).sign(foreign)), INVALID, 'what is forged is not merely expired');
});

test('a token without a signature, or with one of another algorithm, is refused', async (t) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = await auth.accessTokens.issue(WHO);
  const [, payload, signature] = token.split('.');
  const { kid } = auth.keys.signingKey();
  for (const alg of ['none', 'None', 'HS256', 'ES384', 'EdDSA']) {
    await t.throwsAsync(
      auth.accessTokens.verify(`${part({ alg, typ: 'at+jwt', kid })}.${payload}.`),
      INVALID,
      `${alg}, no signature`,
    );
    await t.throwsAsync(auth.accessTokens.verify(`${part({ alg, typ: 'at+jwt', kid })}.${payload}.${signature}`), INVALID, alg);
  }
  // The classic: the public key as an HMAC secret.
  const secret = Buffer.from(JSON.stringify(auth.keys.jwks().keys[0]));
  const confused = await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid }).sign(secret);
  await t.throwsAsync(auth.accessTokens.verify(confused), INVALID);
});

test('a changed or broken token is refused', async (t) => {
  const token = await auth.accessTokens.issue(WHO);
  const [header, payload, signature] = token.split('.');
  const other = Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: 'admin' })).toString('base64url');
  for (const bad of [
    '',
    'x',
    '..',
    `${header}.${other}.${signature}`,
    `${header}.${payload}`,
    token.slice(0, -4),
    `${token}.x`,
    'ü.ü.ü',
  ]) {
    await t.throwsAsync(auth.accessTokens.verify(bad), INVALID, bad);
  }
});

test('what is missing can not be assumed', async (t) => {
  const { kid, privateKey } = auth.keys.signingKey();
  const token = await auth.accessTokens.issue(WHO);
  for (const name of ['sub', 'sid', 'client_id', 'iat', 'exp', 'jti', 'iss', 'aud']) {
    const { [name]: _, ...rest } = decodeJwt(token) as Record<string, unknown>;
    const bad = await new SignJWT(rest).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey);
    await t.throwsAsync(auth.accessTokens.verify(bad), INVALID, `without ${name}`);
  }
});

test('a claim of another type than ours is refused before it reaches the store', async (t) => {
  const { kid, privateKey } = auth.keys.signingKey();
  const memberId = await auth.member();
  const good = decodeJwt(await auth.accessTokens.issue({ memberId, sessionId: 's1' }));
  const odd = [{ $gt: '' }, { $ne: null }, [memberId], 7, true, null, '', 'x'.repeat(200)];
  for (const name of ['sub', 'sid']) {
    for (const value of odd) {
      const payload = { ...good, [name]: value } as JWTPayload;
      const token = await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey);
      const label = `${name}: ${JSON.stringify(value)}`;
      await t.throwsAsync(authenticate(auth, token), INVALID, label);
      await t.throwsAsync(logOut(auth, token), INVALID, label);
    }
  }
});

test('what is too long for a token of ours is not even parsed', async (t) => {
  const { kid, privateKey } = auth.keys.signingKey();
  const long = { ...decodeJwt(await auth.accessTokens.issue(WHO)), more: 'x'.repeat(4_096) };
  const token = await new SignJWT(long).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey);
  await t.throwsAsync(auth.accessTokens.verify(token), INVALID);
});

test('two processes that start at once share one key, and verify what the other signed', async (t) => {
  const one = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => one.close());
  await one.store.signingKeys.deleteMany({});
  const { signingKeys, clock } = one.store;
  const rings = Array.from({ length: 4 }, () => new KeyRing(signingKeys, new Vault(one.masterKey, 'signing keys'), clock));
  await Promise.all(rings.map((ring) => ring.maintain()));
  t.is(await one.store.signingKeys.countDocuments(), 1);
  t.is(new Set(rings.map((ring) => ring.signingKey().kid)).size, 1);
  const [a, b] = rings.map((ring) => new AccessTokens(ring, ISSUER, clock));
  t.like(await b?.verify((await a?.issue(WHO)) ?? ''), WHO);
});

test('keys rotate: published an hour ahead, signing after 30 days, kept until the last token is over', async (t) => {
  let now = Date.now();
  const clock = { now: () => now };
  const one = await openTestAuth(process.env.MUSUBI_MONGODB_URL, clock);
  const two = await one.sibling();
  t.teardown(async () => {
    await two.lifecycle.stop('done');
    await one.close();
  });
  const maintain = () => Promise.all([one.keys.maintain(), two.keys.maintain()]);
  const kids = () => one.keys.jwks().keys.map(({ kid }) => kid);
  const first = one.keys.signingKey().kid;

  now += 30 * DAY - 2 * HOUR;
  await maintain();
  t.deepEqual(kids(), [first], 'too early');

  now += HOUR;
  await maintain();
  t.is(kids().length, 2, 'both processes made a successor: it is one');
  t.is(one.keys.signingKey().kid, first, 'published, but not signing yet');
  t.false(JSON.stringify(one.keys.jwks()).includes('"d"'), 'no private part');

  now += HOUR - 1_000;
  const old = await one.accessTokens.issue(WHO);
  now += 1_000;
  t.not(one.keys.signingKey().kid, first, 'its time has come, without a look at the store');
  t.is(two.keys.signingKey().kid, one.keys.signingKey().kid);
  t.like(await two.accessTokens.verify(old), WHO, 'the old key still verifies');
  t.like(await two.accessTokens.verify(await one.accessTokens.issue(WHO)), WHO);

  await maintain();
  now += HOUR;
  await maintain();
  t.deepEqual(kids(), [one.keys.signingKey().kid ?? ''], 'the old key is gone');
  await t.throwsAsync(two.accessTokens.verify(old), INVALID);
});

test('a process learns of a key it does not know when it meets it', async (t) => {
  let now = Date.now();
  const one = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  const two = await one.sibling();
  t.teardown(async () => {
    await two.lifecycle.stop('done');
    await one.close();
  });
  now += 31 * DAY;
  await one.keys.maintain();
  now += HOUR;
  t.like(await two.accessTokens.verify(await one.accessTokens.issue(WHO)), WHO);
});

test('a process whose store was set back still learns of keys', async (t) => {
  const began = Date.now();
  let now = began;
  const one = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  let later = began + 31 * DAY;
  const ahead = await one.sibling({ now: () => later });
  t.teardown(async () => {
    await ahead.lifecycle.stop('done');
    await one.close();
  });
  later += HOUR;
  now = began - DAY;
  t.like(await one.accessTokens.verify(await ahead.accessTokens.issue(WHO)), WHO);
});

test('private keys are encrypted at rest, and another master key does not open them', async (t) => {
  const [document] = await auth.store.signingKeys.find().toArray();
  t.false(JSON.stringify(document).includes('"d"'));
  const other = new Vault(new Secret(Buffer.alloc(32).toString('base64')), 'signing keys');
  await t.throwsAsync(new KeyRing(auth.store.signingKeys, other, auth.store.clock).maintain(), {
    message: /MUSUBI_AUTH_MASTER_KEY/,
  });
});
