import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { type Answer, admin, Client, login, register, unique } from './client.ts';

const good = () => {
  const loginId = unique('bad');
  return { loginId, password: 'correct horse battery', displayName: 'Bad', email: `${loginId}@example.com` };
};

function isProblem(
  t: { is(a: unknown, b: unknown, m?: string): void; truthy(a: unknown, m?: string): void },
  answer: Answer,
  status: number,
  code: string,
) {
  t.is(answer.status, status, JSON.stringify(answer.body));
  t.is(answer.headers.get('content-type')?.split(';')[0], 'application/problem+json');
  t.is(answer.body.status, status);
  t.is(answer.body.code, code);
  t.truthy(answer.body.title && answer.body.type && answer.body.traceId);
}

test('malformed bodies are refused with the field that is wrong, and nothing changes', async (t) => {
  const as = await admin();
  isProblem(t, await as.post('/v1/members', '{"loginId": '), 400, 'MALFORMED_JSON');
  isProblem(
    t,
    await as.request('POST', '/v1/members', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  );
  isProblem(t, await as.post('/v1/members', { ...good(), displayName: 'x'.repeat(200_000) }), 413, 'BODY_TOO_LARGE');

  const cases: [object, string][] = [
    [{ ...good(), admin: true }, 'admin'],
    [{ ...good(), email: undefined }, 'email'],
    [{ ...good(), email: 'nobody' }, 'email'],
    [{ ...good(), loginId: 7 }, 'loginId'],
    [{ ...good(), loginId: 'a b' }, 'loginId'],
    [{ ...good(), password: 'short' }, 'password'],
    [{ ...good(), displayName: '' }, 'displayName'],
    [{ ...good(), displayName: null }, 'displayName'],
  ];
  for (const [body, field] of cases) {
    const answer = await as.post('/v1/members', body);
    t.is(answer.status, 400, JSON.stringify([body, answer.body]));
    t.true(
      answer.body.errors.some((error: { field: string }) => error.field === field),
      JSON.stringify(answer.body),
    );
  }
  for (const body of [[], 'text', 7, null])
    t.is((await as.request('POST', '/v1/members', JSON.stringify(body), { 'content-type': 'application/json' })).status, 400);
});

test('unknown routes, methods, IDs and query parameters', async (t) => {
  const as = await admin();
  isProblem(t, await as.get('/v1/nothing'), 404, 'ROUTE_NOT_FOUND');
  const method = await as.request('PUT', '/v1/members');
  isProblem(t, method, 405, 'METHOD_NOT_ALLOWED');
  t.regex(method.headers.get('allow') ?? '', /GET/);
  isProblem(t, await as.get('/v1/members/01890000-0000-7000-8000-000000000000'), 404, 'MEMBER_NOT_FOUND');
  t.is((await as.get('/v1/members?pageSize=0')).status, 400);
  t.is((await as.get('/v1/members?pagesize=5')).status, 400);
  t.is((await as.get('/v1/members?pageToken=garbage')).status, 400);
  const gone = await as.patch('/v1/members/01890000-0000-7000-8000-000000000000', { displayName: 'x' }, { prefer: 'wait=30' });
  isProblem(t, gone, 404, 'MEMBER_NOT_FOUND');
  t.is((await as.patch('/v1/members/01890000-0000-7000-8000-000000000000', {})).status, 400, 'an empty change');
});

test('no, forged and foreign tokens are refused', async (t) => {
  const as = await admin();
  const one = await register(as);
  const token = (await login(one.loginId, one.password)).token ?? '';
  const claims = decodeJwt(token);
  const header = decodeProtectedHeader(token);
  const foreign: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const [head = '', body = '', signature = ''] = token.split('.');
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forged: Record<string, string | undefined> = {
    none: undefined,
    garbage: 'garbage',
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt' })}.${body}.`,
    'alg none with its signature': `${encode({ ...header, alg: 'none' })}.${body}.${signature}`,
    'changed claims': `${head}.${encode({ ...claims, sub: 'somebody-else' })}.${signature}`,
    'foreign key': await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256' }).sign(foreign),
    'HMAC of the public key': await new SignJWT(claims)
      .setProtectedHeader({ ...header, alg: 'HS256' })
      .sign(new TextEncoder().encode(JSON.stringify((await as.get('/.well-known/jwks.json')).body.keys[0]).padEnd(64))),
  };
  for (const [name, value] of Object.entries(forged)) {
    const answer = await new Client(value).get('/v1/members/me');
    t.is(answer.status, 401, name);
    t.regex(answer.headers.get('www-authenticate') ?? '', /^Bearer/, name);
    t.is((await new Client(value).post('/v1/members', good())).status, 401, name);
  }
  t.is((await new Client(token).get('/v1/members/me')).status, 200);
});

test('a wrong password and an unknown login get the same answer', async (t) => {
  const as = await admin();
  const one = await register(as);
  const anonymous = new Client();
  const wrong = await anonymous.post('/v1/auth/login', { loginId: one.loginId, password: 'not the password' });
  const unknown = await anonymous.post('/v1/auth/login', { loginId: unique('nobody'), password: 'not the password' });
  isProblem(t, wrong, 401, 'BAD_CREDENTIALS');
  isProblem(t, unknown, 401, 'BAD_CREDENTIALS');
  t.is(wrong.body.detail, unknown.body.detail);
});

test('what a request says of its host, its scheme and its way here is in no answer, and decides nothing', async (t) => {
  const as = await admin();
  const one = await register(as);
  const token = (await login(one.loginId, one.password)).token ?? '';
  const forged = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'gopher',
    'x-forwarded-prefix': '/evil.example',
    'x-forwarded-for': '203.0.113.66',
    'x-real-ip': '203.0.113.66',
    forwarded: 'for=203.0.113.66;host=evil.example;proto=gopher',
    'x-original-url': '/v1/members',
    'x-http-method-override': 'DELETE',
  };
  const body = JSON.stringify({ displayName: 'Renamed' });
  const requests: [method: string, path: string, body?: string][] = [
    ['GET', '/openapi.json'],
    ['GET', '/docs'],
    ['GET', '/'],
    ['GET', '/v1/members/me'],
    ['GET', '/v1/auth/sessions'],
    ['GET', '/v1/nothing'],
    ['OPTIONS', '/v1/members'],
    ['PATCH', `/v1/members/${one.memberId}`, body],
  ];
  for (const [method, path, sent] of requests) {
    const headers = { ...forged, authorization: `Bearer ${token}`, ...(sent ? { 'content-type': 'application/json' } : {}) };
    const request = http.request(new URL(path, as.base), { method, headers, setHost: false });
    request.end(sent);
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    const told = JSON.stringify(answer.rawHeaders) + (await text(answer));
    t.true((answer.statusCode ?? 500) < 500, `${method} ${path}`);
    t.notRegex(told, /evil\.example|gopher|203\.0\.113\.66/, `${method} ${path}`);
  }
  t.is((await as.get(`/v1/members/${one.memberId}`)).status, 200, 'it was not deleted');
});

test('no line of a header begins where a value has a line break', async (t) => {
  const as = await admin();
  const { port, hostname } = new URL(as.base);
  for (const value of [
    'x\r\nSet-Cookie: evil=1',
    'x\nSet-Cookie: evil=1',
    'x\rSet-Cookie: evil=1',
    'x\u0000',
    '%0d%0aSet-Cookie: evil=1',
  ])
    for (const line of [
      `Idempotency-Key: ${value}`,
      `Origin: https://${value}`,
      `traceparent: ${value}`,
      `Prefer: wait=1, ${value}`,
    ]) {
      const socket = net.connect(Number(port), hostname);
      socket.end(`GET /v1/members?next=${encodeURIComponent(value)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${line}\r\n\r\n`);
      const [head = ''] = (await text(socket)).split('\r\n\r\n');
      t.regex(head, /^HTTP\/1\.1 4\d\d /);
      t.notRegex(head, /set-cookie|evil/i, JSON.stringify(line));
    }
});
