import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { base64url, type JWTPayload, SignJWT } from 'jose';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { MusubiError } from '../errors.ts';
import { ConfigError, loadConfig } from '../process/config.ts';
import { Caller, Callers, callerKey, callerKeys, keyVariable, newCallerKeys } from './callers.ts';
import { callers, gateway, keys, MAY_CALL, privateKey, publicKey, variables } from './keys.fixture.ts';

const { getMember, listMembers } = QueryServiceService;
const AT = 1_800_000_000;

/** A token as `gateway` makes it, or with something else about it. */
function token({
  claims = {},
  header = {},
  key = 'gateway',
}: {
  claims?: object;
  header?: object;
  key?: string;
} = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const payload = { iss: 'gateway', sub: 'gateway', aud: 'query', iat: now, exp: now + 60, ...claims };
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicKey(key), d: privateKey(key) };
  return new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'caller+jwt', kid: publicKey(key), ...header })
    .sign(jwk);
}

/** A token without a signature, or with one that is made without our key. */
const unsigned = (header: object, signature = ''): string =>
  [header, { iss: 'gateway', sub: 'gateway', aud: 'query', exp: AT + 60 }]
    .map((part) => base64url.encode(JSON.stringify(part)))
    .concat(signature)
    .join('.');

const refused = async (t: ExecutionContext, shown: string | undefined, what: string, by = callers()): Promise<void> => {
  const error = await t.throwsAsync(by.admit(getMember.path, shown), { instanceOf: MusubiError }, what);
  t.is(error?.code, 'CALLER_UNKNOWN', what);
  t.is(error?.grpcStatus, status.UNAUTHENTICATED, what);
  t.is(by.remembered, 0, what);
};

test('a caller is known by the token that it makes, and may do what the table says', async (t) => {
  const by = callers();
  t.is(await by.admit(getMember.path, await gateway.token('query')), 'gateway');
  t.is(await by.admit(getMember.path, await token()), 'gateway');
  const sagas = new Caller('sagas', privateKey('sagas'));
  for (const [path, shown] of [
    [getMember.path, await sagas.token('query')],
    [listMembers.path, await gateway.token('query')],
    ['/musubi.query.v1.QueryService/NoSuchMethod', await gateway.token('query')],
  ] as const) {
    const error = await t.throwsAsync(by.admit(path, shown), { instanceOf: MusubiError });
    t.is(error?.code, 'CALLER_NOT_ALLOWED');
    t.is(error?.grpcStatus, status.PERMISSION_DENIED);
  }
});

test('what is no token of ours, or for another use, is refused', async (t) => {
  const stranger = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as { x: string; d: string };
  const shown: Record<string, string | undefined> = {
    nothing: undefined,
    'an empty one': '',
    'no JWT': 'gateway',
    'one of another audience': await gateway.token('auth'),
    'one for several': await token({ claims: { aud: ['query', 'auth'] } }),
    'one without audience': await token({ claims: { aud: undefined } }),
    'one of another type': await token({ header: { typ: 'at+jwt' } }),
    'one without type': await token({ header: { typ: undefined } }),
    'one that has expired': await token({ claims: { exp: Math.floor(Date.now() / 1_000) - 1 } }),
    'one without end': await token({ claims: { exp: undefined } }),
    'one whose end is a text': await token({ claims: { exp: '9999999999' } }),
    'an object as sub': await token({ claims: { sub: { $ne: '' } } }),
    'a list as sub': await token({ claims: { sub: ['gateway'] } }),
    'no sub': await token({ claims: { sub: undefined } }),
    'the sub of another': await token({ claims: { sub: 'sagas' } }),
    'the issuer of another': await token({ claims: { iss: 'sagas' } }),
    'the key of another': await token({ key: 'sagas' }),
    'a kid that is not its key': await token({ key: 'sagas', header: { kid: publicKey('gateway') } }),
    'an object as kid': await token({ header: { kid: { toString: 1 } } }),
    'a kid of Object': await token({ header: { kid: 'constructor' } }),
    'no kid': await token({ header: { kid: undefined } }),
    'a critical extension that we do not know': unsigned(
      { alg: 'EdDSA', typ: 'caller+jwt', kid: publicKey('gateway'), crit: ['x'], x: 1 },
      'AA',
    ),
    'alg none': unsigned({ alg: 'none', typ: 'caller+jwt', kid: publicKey('gateway') }),
    'alg None': unsigned({ alg: 'None', typ: 'caller+jwt', kid: publicKey('gateway') }),
    'a key of its own': await new SignJWT({ iss: 'gateway', sub: 'gateway', aud: 'query' })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'caller+jwt', kid: stranger.x })
      .setExpirationTime('1h')
      .sign({ kty: 'OKP', crv: 'Ed25519', ...stranger }),
    'a key that it brings along': await new SignJWT({ iss: 'gateway', sub: 'gateway', aud: 'query' })
      .setProtectedHeader({
        alg: 'EdDSA',
        typ: 'caller+jwt',
        kid: publicKey('gateway'),
        jwk: { kty: 'OKP', crv: 'Ed25519', x: stranger.x },
      })
      .setExpirationTime('1h')
      .sign({ kty: 'OKP', crv: 'Ed25519', ...stranger }),
    'HMAC with our public key': await new SignJWT({ iss: 'gateway', sub: 'gateway', aud: 'query' })
      .setProtectedHeader({ alg: 'HS256', typ: 'caller+jwt', kid: publicKey('gateway') })
      .setExpirationTime('1h')
      .sign(Buffer.from(publicKey('gateway'), 'base64url')),
    'one with its last letter changed': (await token()).replace(/.(?=.$)/, (letter) => (letter === 'A' ? 'B' : 'A')),
    'one that is longer than any of ours': await token({ claims: { more: 'x'.repeat(2_000) } }),
  };
  for (const [what, one] of Object.entries(shown)) await refused(t, one, what);
});

test('a token is good until it ends, also where it is remembered', async (t) => {
  const by = callers();
  const soon = await token({ claims: { exp: Math.floor(Date.now() / 1_000) + 2 } });
  t.is(await by.admit(getMember.path, soon), 'gateway');
  t.is(by.remembered, 1);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  await refused(t, soon, 'later', by);
});

test('genuine tokens are remembered up to a bound, and no others', async (t) => {
  const by = new Callers('query', keys, MAY_CALL, 3);
  for (let i = 0; i < 5; i++) await by.admit(getMember.path, await token({ claims: { jti: String(i) } }));
  t.is(by.remembered, 3);
  for (let i = 0; i < 5; i++) await t.throwsAsync(by.identify(randomBytes(40).toString('base64url')));
  t.is(by.remembered, 3);
});

test.serial('a caller makes a token for each service, and a new one when it is an hour old or from the future', async (t) => {
  const real = Date.now;
  t.teardown(() => {
    Date.now = real;
  });
  const at = (seconds: number): void => {
    Date.now = () => (AT + seconds) * 1_000;
  };
  at(0);
  const caller = new Caller('gateway', privateKey('gateway'));
  const [first, other] = [await caller.token('query'), await caller.token('auth')];
  t.not(first, other);
  at(3_599);
  t.is(await caller.token('query'), first);
  at(3_600);
  const second = await caller.token('query');
  t.not(second, first);
  at(0);
  t.is(await caller.token('query'), first, 'which begins earlier');
});

test('while a key is replaced, a caller has two', async (t) => {
  const next = newCallerKeys(['gateway']);
  const both = callerKeys().parse(`${variables.MUSUBI_CALLERS},${next.MUSUBI_CALLERS}`);
  const by = new Callers('query', both, MAY_CALL);
  for (const key of [privateKey('gateway'), next[keyVariable('gateway')] ?? ''])
    t.is(await by.admit(getMember.path, await new Caller('gateway', key).token('query')), 'gateway');
  await refused(t, await new Caller('gateway', next[keyVariable('gateway')] ?? '').token('query'), 'before');
});

test('keys that are none are refused by name and without a value', (t) => {
  const shape = { MUSUBI_CALLERS: callerKeys(), MUSUBI_GATEWAY_CALLER_KEY: callerKey('gateway') };
  const wrong = (env: Record<string, string>): string =>
    t.throws(() => loadConfig(shape, { ...variables, ...env }), { instanceOf: ConfigError })?.message ?? '';
  for (const value of ['x', privateKey('gateway').slice(1), `${privateKey('gateway')}=`]) {
    const said = wrong({ MUSUBI_GATEWAY_CALLER_KEY: value });
    t.regex(said, /MUSUBI_GATEWAY_CALLER_KEY: must be a private key as `node main.ts callers` prints it/);
    t.notRegex(said, new RegExp(privateKey('gateway').slice(2)));
  }
  for (const value of [publicKey('gateway'), `gateway=${publicKey('gateway')},`, `Gate Way=${publicKey('gateway')}`, 'gateway='])
    t.regex(wrong({ MUSUBI_CALLERS: value }), /MUSUBI_CALLERS: must be like gateway=KEY/);
  t.regex(
    wrong({ MUSUBI_CALLERS: `gateway=${publicKey('gateway')},sagas=${publicKey('gateway')}` }),
    /gives sagas the key of gateway/,
  );
});
