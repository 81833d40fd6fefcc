import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { resourceExhausted } from '#platform/errors.ts';
import type { LoginRequest } from '#proto/musubi/auth/v1/auth.ts';
import { send } from '../client.fixture.ts';
import { type World, worldTest } from '../gateway.fixture.ts';
import { createApp } from '../http/app.ts';
import { TrustedProxies } from '../http/source.ts';
import { allRoutes } from './index.ts';

const test = worldTest();

/** The gateway as it is reached by that URL, behind a proxy on this machine; Auth's answer is the test's. */
async function behindProxy(t: ExecutionContext<World>, publicUrl: string, answer: (request: LoginRequest) => void = () => {}) {
  const { context: world } = t;
  const asked: LoginRequest[] = [];
  const { login } = world.gateway.auth;
  world.gateway.auth = {
    ...world.gateway.auth,
    login: async (request, options) => {
      asked.push(request);
      answer(request);
      return login(request, options);
    },
  };
  const app = createApp(world.gateway, allRoutes(publicUrl), { proxies: new TrustedProxies(['127.0.0.1']) }).callback();
  const server = createServer((request, response) => void app(request, response)).listen(0, '127.0.0.1');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const logIn = (headers: Record<string, string> = {}) =>
    send({ ...world, base }, 'POST', '/v1/auth/login', { body: { loginId: 'hana', password: 'correct horse' }, headers });
  return { asked, logIn };
}

test('Auth is told where a login comes from and what device cookie it brings, and its cookie is set', async (t) => {
  const { asked, logIn } = await behindProxy(t, 'http://musubi.example');
  const answer = await logIn({
    'user-agent': 'browser',
    'x-forwarded-for': '6.6.6.6, 2001:db8:1:2:3::4',
    cookie: 'other=1; musubi_device=musubi_dc1.abc; more=2',
  });
  t.is(answer.status, 200);
  t.like(asked[0], { loginId: 'hana', userAgent: 'browser', source: '2001:db8:1:2::/64', deviceCookie: 'musubi_dc1.abc' });
  t.deepEqual(answer.headers.getSetCookie(), ['musubi_device=cookie; Max-Age=1000; Path=/v1/auth; HttpOnly; SameSite=Strict']);
  t.is(answer.headers.get('cache-control'), 'no-store');
  await logIn({ cookie: 'xmusubi_device=1' });
  t.like(asked[1], { source: '127.0.0.1', deviceCookie: '' });
});

test('a cookie of an https address goes over nothing else', async (t) => {
  const { logIn } = await behindProxy(t, 'https://musubi.example');
  t.regex((await logIn()).headers.getSetCookie().join(), /; Secure$/);
});

test('a refresh sets no cookie', async (t) => {
  const answer = await send(t.context, 'POST', '/v1/auth/refresh', { body: { refreshToken: 'refresh' } });
  t.is(answer.status, 200);
  t.deepEqual(answer.headers.getSetCookie(), []);
});

test('who guesses too much is told when to try again, and each request is logged with its source', async (t) => {
  const { logIn } = await behindProxy(t, 'http://musubi.example', ({ source }) => {
    if (source === '203.0.113.9') throw resourceExhausted('TOO_MANY_ATTEMPTS', 'too many', { retryAfterSeconds: 17 });
  });
  const refused = await logIn({ 'x-forwarded-for': '203.0.113.9' });
  t.like(refused.body, { status: 429, code: 'TOO_MANY_ATTEMPTS' });
  t.is(refused.headers.get('retry-after'), '17');
  t.deepEqual(refused.headers.getSetCookie(), []);
  await logIn({ 'x-forwarded-for': '203.0.113.10' });
  const lines = () => t.context.lines.filter(({ msg }) => msg === 'request');
  // A line is written when the answer is out, which the client may see first.
  for (let i = 0; lines().length < 2 && i < 600; i++) await sleep(50);
  t.like(lines()[0], { source: '203.0.113.9', status: 429, code: 'TOO_MANY_ATTEMPTS' });
  t.like(lines()[1], { source: '203.0.113.10', status: 200, memberId: t.context.hanaId });
});

test('what a login understands and sets is in the contract', async (t) => {
  const document = (await send(t.context, 'GET', '/openapi.json')).body;
  const { parameters, responses } = document.paths['/v1/auth/login'].post;
  const cookie = parameters.find((parameter: { name: string }) => parameter.name === 'musubi_device');
  t.is(cookie?.in, 'cookie');
  t.falsy(cookie?.required);
  t.truthy(responses[200].headers['Set-Cookie']);
  t.regex(responses[429].description, /TOO_MANY_ATTEMPTS/);
});
