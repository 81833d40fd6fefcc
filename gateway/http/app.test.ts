import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { connectPeer } from '#platform/grpc/client.ts';
import type { ProblemCode } from '#platform/problems.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { newId } from '#platform/validation/id.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { type Answer, send } from '../client.fixture.ts';
import { type World, worldTest } from '../gateway.fixture.ts';
import { BODY_LIMIT } from './body.ts';
import { problemSchema } from './problem.ts';

const test = worldTest();

const valid = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };
const JSON_TYPE = { 'content-type': 'application/json' };

function isProblem(t: ExecutionContext<World>, answer: Answer, status: number, code: ProblemCode, fields?: string[]): void {
  t.is(answer.status, status, JSON.stringify(answer.body));
  t.regex(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const problem = problemSchema.parse(answer.body);
  t.is(problem.code, code);
  t.is(problem.status, status);
  t.regex(problem.traceId, /^[0-9a-f]{32}$/);
  if (fields) t.deepEqual(problem.errors.map(({ field }) => field).sort(), fields.sort());
}

test('a body that breaks the schema is refused with every field that is wrong', async (t) => {
  const post = (body: unknown) => send(t.context, 'POST', '/v1/members', { token: t.context.admin, body });
  const cases: [unknown, string[]][] = [
    [{}, ['loginId', 'password', 'displayName', 'email']],
    [{ ...valid, admin: true }, ['admin']],
    [{ ...valid, loginId: 'a b' }, ['loginId']],
    [{ ...valid, loginId: 'ab' }, ['loginId']],
    [{ ...valid, loginId: 7 }, ['loginId']],
    [{ ...valid, password: 'short' }, ['password']],
    [{ ...valid, password: 'x'.repeat(257) }, ['password']],
    [{ ...valid, password: '\ud800 half a character' }, ['password']],
    [{ ...valid, displayName: '   ' }, ['displayName']],
    [{ ...valid, displayName: 'a\u0000b' }, ['displayName']],
    [{ ...valid, displayName: 'x'.repeat(101) }, ['displayName']],
    [{ ...valid, displayName: null }, ['displayName']],
    [{ ...valid, email: 'nobody' }, ['email']],
    [[], ['']],
    [null, ['']],
    [7, ['']],
    [undefined, ['']],
  ];
  for (const [body, fields] of cases) isProblem(t, await post(body), 400, 'INVALID_ARGUMENT', fields);
  t.is(t.context.started.length, 0);
  t.is(t.context.jobs.size, 0);
});

test('__proto__ and constructor are unknown fields like any other', async (t) => {
  for (const key of ['__proto__', 'constructor', 'toString']) {
    const body = `{"${key}": {"isAdmin": true}, ${JSON.stringify(valid).slice(1)}`;
    const answer = await send(t.context, 'POST', '/v1/members', { token: t.context.admin, body, headers: JSON_TYPE });
    isProblem(t, answer, 400, 'INVALID_ARGUMENT', [key]);
  }
  t.is(({} as { isAdmin?: boolean }).isAdmin, undefined);
});

test('what is not JSON in UTF-8, or too large, is refused', async (t) => {
  const post = (body: string | Uint8Array, headers: Record<string, string>) =>
    send(t.context, 'POST', '/v1/members', { token: t.context.admin, body, headers });
  isProblem(t, await post('{"loginId": ', JSON_TYPE), 400, 'MALFORMED_JSON');
  isProblem(t, await post(Uint8Array.of(0x22, 0xff, 0x22), JSON_TYPE), 400, 'MALFORMED_JSON');
  isProblem(t, await post('['.repeat(900), JSON_TYPE), 400, 'MALFORMED_JSON');
  isProblem(t, await post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  isProblem(t, await post('{}', { 'content-type': 'application/json; charset=utf-16' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  isProblem(t, await post('{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  isProblem(t, await post('{}', { 'content-type': 'nonsense' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  isProblem(t, await post(`"${'x'.repeat(BODY_LIMIT)}"`, JSON_TYPE), 413, 'BODY_TOO_LARGE');
  isProblem(t, await post('x'.repeat(5_000_000), JSON_TYPE), 413, 'BODY_TOO_LARGE');
  isProblem(t, await post('['.repeat(60_000), JSON_TYPE), 413, 'BODY_TOO_LARGE');
  isProblem(t, await post(`[${'0,'.repeat(1_000)}0]`, JSON_TYPE), 413, 'BODY_TOO_LARGE');
});

test('a body without a length is refused once it is too large', async (t) => {
  const chunks = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode(' '.repeat(8_192)));
      controller.close();
    },
  });
  const response = await fetch(`${t.context.base}/v1/auth/login`, {
    method: 'POST',
    headers: JSON_TYPE,
    body: chunks,
    duplex: 'half',
  } as RequestInit);
  t.is(response.status, 413);
  await response.text();
});

test('unknown paths, methods, parameters and IDs', async (t) => {
  const { admin: token } = t.context;
  isProblem(t, await send(t.context, 'GET', '/v1/nothing'), 404, 'ROUTE_NOT_FOUND');
  isProblem(t, await send(t.context, 'GET', '/v1/members/'), 404, 'ROUTE_NOT_FOUND');
  isProblem(t, await send(t.context, 'GET', '/v1/%E0%A4%A'), 400, 'MALFORMED_REQUEST');
  const put = await send(t.context, 'PUT', '/v1/members');
  isProblem(t, put, 405, 'METHOD_NOT_ALLOWED');
  t.deepEqual(put.headers.get('allow')?.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
  t.is((await send(t.context, 'OPTIONS', '/v1/members')).status, 204);

  isProblem(t, await send(t.context, 'GET', '/v1/members?pagesize=5', { token }), 400, 'INVALID_ARGUMENT', ['pagesize']);
  isProblem(t, await send(t.context, 'GET', '/v1/members?pageSize=0', { token }), 400, 'INVALID_ARGUMENT', ['pageSize']);
  isProblem(t, await send(t.context, 'GET', '/v1/members?pageSize=x', { token }), 400, 'INVALID_ARGUMENT', ['pageSize']);
  isProblem(t, await send(t.context, 'GET', '/v1/members?query=a&query=b', { token }), 400, 'INVALID_ARGUMENT', ['query']);
  isProblem(t, await send(t.context, 'GET', '/v1/members?query=%00', { token }), 400, 'INVALID_ARGUMENT', ['query']);
  isProblem(t, await send(t.context, 'GET', '/v1/jobs?state=lost', { token }), 400, 'INVALID_ARGUMENT', ['state']);

  isProblem(t, await send(t.context, 'GET', '/v1/members/not-an-id', { token }), 404, 'MEMBER_NOT_FOUND');
  isProblem(t, await send(t.context, 'GET', '/v1/members/%E0%A4%A', { token }), 400, 'MALFORMED_REQUEST');
  isProblem(t, await send(t.context, 'DELETE', '/v1/members/me', { token }), 405, 'METHOD_NOT_ALLOWED');
  isProblem(t, await send(t.context, 'GET', '/v1/jobs/not-an-id', { token }), 404, 'JOB_NOT_FOUND');
});

// Serial: it watches all that the process reads.
test.serial('each parameter of a query is read once, however often it is given', async (t) => {
  const { getAll } = URLSearchParams.prototype;
  let read = 0;
  URLSearchParams.prototype.getAll = function (this: URLSearchParams, name: string): string[] {
    const values = getAll.call(this, name);
    read += values.length;
    return values;
  };
  t.teardown(() => {
    URLSearchParams.prototype.getAll = getAll;
  });
  isProblem(t, await send(t.context, 'GET', `/docs?${'a&'.repeat(3_900)}`), 400, 'INVALID_ARGUMENT', ['a']);
  t.true(read <= 3_900, `${read}`);
});

test('a stranger learns nothing but that a token is needed', async (t) => {
  const none = await send(t.context, 'POST', '/v1/members', { body: '{', headers: JSON_TYPE });
  isProblem(t, none, 401, 'TOKEN_MISSING');
  t.is(none.headers.get('www-authenticate'), 'Bearer realm="musubi"');
  for (const authorization of ['', 'Bearer garbage', 'Bearer a b', 'Basic YTpi', 'Bearer', `Bearer ${t.context.admin}x`]) {
    const answer = await send(t.context, 'GET', '/v1/jobs/not-an-id', { headers: { authorization } });
    isProblem(t, answer, 401, 'TOKEN_INVALID');
    t.regex(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="musubi", error="invalid_token"/);
  }
});

test('a stranger is a stranger even while the service is away that knows the resource', async (t) => {
  const { context: world } = t;
  world.gateway.job = connectPeer('127.0.0.1:1', JobServiceService, new Lifecycle(world.gateway.log, 100));
  const path = `/v1/jobs/${world.hanaId}`;
  isProblem(t, await send(world, 'GET', path, { token: `${world.hana}x` }), 401, 'TOKEN_INVALID');
  isProblem(t, await send(world, 'POST', `${path}:cancel`, { token: 'garbage' }), 401, 'TOKEN_INVALID');
  isProblem(t, await send(world, 'GET', path, { token: world.hana }), 503, 'SERVICE_UNAVAILABLE');
});

test('one question to Auth decides, by action, resource and owner', async (t) => {
  const { world, hana, hanaId } = { world: t.context, ...t.context };
  const [otherId = ''] = [...world.members.keys()].filter((id) => id !== hanaId);
  isProblem(t, await send(world, 'POST', '/v1/members', { token: hana, body: valid }), 403, 'PERMISSION_DENIED');
  isProblem(
    t,
    await send(world, 'PATCH', `/v1/members/${otherId}`, { token: hana, body: { displayName: 'x' } }),
    403,
    'PERMISSION_DENIED',
  );
  t.is((await send(world, 'PATCH', `/v1/members/${hanaId}`, { token: hana, body: { displayName: 'x' } })).status, 202);
  t.is((await send(world, 'GET', '/v1/members/me', { token: hana })).body.id, hanaId);
  t.is((await send(world, 'GET', '/v1/jobs', { token: hana })).body.items.length, 1);
  t.deepEqual(
    world.asked.map(({ action, resource }) => [action, resource?.type, resource?.id, resource?.ownerId]),
    [
      ['member.register', 'Member', '', ''],
      ['member.update', 'Member', otherId, ''],
      ['member.update', 'Member', hanaId, ''],
      ['member.read', 'Member', hanaId, ''],
      ['job.list', 'Job', '', hanaId],
    ],
  );
});

test('what one may do is asked with whose it is, and answered in order', async (t) => {
  const { context: world } = t;
  const read: string[][] = [];
  const { getJobOwners } = world.gateway.job;
  const observed: typeof getJobOwners = (request) => {
    read.push(request.jobIds);
    return getJobOwners(request);
  };
  world.gateway.job = { ...world.gateway.job, getJobOwners: observed };
  const { jobId } = (await send(world, 'POST', '/v1/members', { token: world.admin, body: valid })).body;
  const own = (await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { token: world.hana, body: { displayName: 'x' } })).body;
  const checks = [
    { action: 'member.register', resource: { type: 'Member' } },
    { action: 'member.update', resource: { type: 'Member', id: world.hanaId } },
    { action: 'job.read', resource: { type: 'Job', id: own.jobId } },
    { action: 'job.read', resource: { type: 'Job', id: jobId } },
    { action: 'job.read', resource: { type: 'Job', id: newId() } },
    { action: 'job.read', resource: { type: 'Job', id: `member:${world.hanaId}` } },
    { action: 'job.cancel', resource: { type: 'Job', id: own.jobId } },
    { action: 'job.read', resource: { type: 'Job' } },
    { action: 'job.list', resource: { type: 'Job' } },
  ];
  const ask = (body: unknown, token = world.hana) => send(world, 'POST', '/v1/auth/check', { token, body });
  t.deepEqual((await ask({ checks })).body, {
    results: [false, true, true, false, false, false, true, false, true].map((allowed) => ({ allowed })),
  });
  t.deepEqual(read, [[own.jobId, jobId, checks[4]?.resource.id]], 'one call for all, each job once, and nothing that is no ID');
  t.like(world.asked.at(-1), { action: 'auth.check', resource: { type: 'System' } });
  isProblem(t, await ask({ checks: [] }), 400, 'INVALID_ARGUMENT', ['checks']);
  isProblem(t, await ask({ checks: Array(101).fill(checks[0]) }), 400, 'INVALID_ARGUMENT', ['checks']);
  const owned = { type: 'Member', id: 'x', ownerId: world.hanaId };
  isProblem(t, await ask({ checks: [{ action: 'member.update', resource: owned }] }), 400, 'INVALID_ARGUMENT', [
    'checks[0].resource.ownerId',
  ]);
  isProblem(t, await ask({ checks }, 'garbage'), 401, 'TOKEN_INVALID');
});

test('login, refresh, logout and the keys', async (t) => {
  const login = await send(t.context, 'POST', '/v1/auth/login', { body: { loginId: 'hana', password: 'correct horse' } });
  t.is(login.status, 200);
  t.deepEqual(Object.keys(login.body).sort(), ['accessToken', 'expiresIn', 'memberId', 'refreshToken', 'tokenType']);
  t.is(login.headers.get('cache-control'), 'no-store');
  const wrong = await send(t.context, 'POST', '/v1/auth/login', { body: { loginId: 'hana', password: 'x' } });
  isProblem(t, wrong, 401, 'BAD_CREDENTIALS');
  const spent = await send(t.context, 'POST', '/v1/auth/refresh', { body: { refreshToken: 'spent' } });
  isProblem(t, spent, 401, 'REFRESH_TOKEN_INVALID');
  for (const { headers } of [wrong, spent])
    t.is(headers.get('www-authenticate'), 'Bearer realm="musubi"', 'no bearer token is at fault, so none is to be refreshed');
  t.is((await send(t.context, 'POST', '/v1/auth/refresh', { body: { refreshToken: 'refresh' } })).status, 200);
  t.is((await send(t.context, 'POST', '/v1/auth/logout', { token: t.context.hana })).status, 204);
  const keys = await send(t.context, 'GET', '/.well-known/jwks.json');
  t.is(keys.body.keys.length, 1);
});

test('a request continues its trace, is logged once, and says nothing of itself', async (t) => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await send(t.context, 'POST', '/v1/auth/login?x=secret-query', {
    body: { loginId: 'hana', password: 'secret-password', extra: 1 },
    headers: { traceparent, cookie: 'secret-cookie' },
  });
  isProblem(t, answer, 400, 'INVALID_ARGUMENT', ['x', 'extra']);
  // A line is written when the answer is out, which the client may see first.
  const requests = () => t.context.lines.filter(({ msg }) => msg === 'request');
  for (let i = 0; requests().length === 0 && i < 600; i++) await sleep(50);
  await sleep(50);
  const lines = requests();
  t.is(lines.length, 1);
  t.like(lines[0], { method: 'POST', route: '/v1/auth/login', status: 400, code: 'INVALID_ARGUMENT' });
  t.false(JSON.stringify(t.context.lines).includes('secret-'));
  t.is(answer.headers.get('x-content-type-options'), 'nosniff');
  t.regex(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
});

test('a request keeps the name that its client gave it, if that can be printed; else it has that of its trace', async (t) => {
  const named = (name?: string) =>
    send(t.context, 'GET', '/v1/nothing', name === undefined ? {} : { headers: { 'x-request-id': name } });
  const requestIds = () => t.context.lines.filter(({ msg }) => msg === 'request').map(({ requestId }) => requestId);
  for (const name of ['7f3a:b/c=', 'x'.repeat(128)]) t.is((await named(name)).headers.get('x-request-id'), name);
  for (const name of [undefined, '', 'x'.repeat(129), 'a b', 'caf\xe9']) {
    const answer = await named(name);
    t.is(answer.headers.get('x-request-id'), answer.body.traceId, name);
  }
  for (let i = 0; requestIds().length < 7 && i < 600; i++) await sleep(50);
  t.deepEqual(requestIds().filter(Boolean), ['7f3a:b/c=', 'x'.repeat(128)]);
});

test('a service that is away is 503 without a word about addresses', async (t) => {
  const { context: world } = t;
  const nobody = connectPeer('127.0.0.1:1', QueryServiceService, new Lifecycle(world.gateway.log, 100));
  world.gateway.query = nobody;
  const answer = await send(world, 'GET', '/v1/members/me', { token: world.hana });
  isProblem(t, answer, 503, 'SERVICE_UNAVAILABLE');
  t.is(answer.headers.get('retry-after'), '1');
  t.false(/127\.0\.0\.1|ECONN/.test(JSON.stringify(answer.body)));
});
