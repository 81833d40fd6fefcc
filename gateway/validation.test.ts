import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { newId } from '#platform/id.ts';
import { type Answer, ownContract, send } from './client.fixture.ts';
import { startWorld, type World } from './gateway.fixture.ts';
import { problemSchema } from './problem.ts';
import type { Route } from './route.ts';
import { allRoutes } from './routes/index.ts';

const test = anyTest as TestFn<World>;
test.beforeEach(async (t) => {
  t.context = await startWorld();
});
test.afterEach.always((t) => t.context.close());

const routes = allRoutes();
const taro = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

/** A path of the route, which may do what it says: its IDs are the test's own member's, or of a job of it. */
function pathOf(route: Route, { hanaId }: World, jobId = ''): string {
  return route.path.replace(/\{(\w+)\}/, (_, name: string) => (name === 'jobId' ? jobId : name === 'memberId' ? hanaId : 'x'));
}

/** A job that is not done yet, so that it can be read and cancelled. */
async function runningJob(world: World): Promise<string> {
  const body = { ...taro, loginId: 'running' };
  world.next = 'running';
  const accepted = await send(world, 'POST', '/v1/members', { token: world.admin, body });
  world.next = 'completed';
  return accepted.body.jobId;
}

/** A request whose headers are sent line by line, as given. */
async function sendLines(world: World, method: string, path: string, lines: [string, string][], body?: string): Promise<Answer> {
  const all: [string, string][] = [['Host', 'x'], ...lines];
  if (body !== undefined) all.push(['Content-Length', String(Buffer.byteLength(body))]);
  const sent = request(world.base + path, { method, headers: all.flat() as unknown as NodeJS.Dict<string> });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    body: JSON.parse((await text(response)) || '""'),
  };
  ownContract().check(method, path, answer);
  return answer;
}

const token = (world: World): [string, string] => ['Authorization', `Bearer ${world.admin}`];
const JSON_LINE: [string, string] = ['Content-Type', 'application/json'];

interface Wrong {
  in: string;
  field: string;
  code: string;
}
function isRefused(t: ExecutionContext<World>, answer: Answer, wrong: Wrong, name: string): void {
  t.is(answer.status, 400, `${name}: ${JSON.stringify(answer.body)}`);
  const { errors } = problemSchema.parse(answer.body);
  t.true(
    errors.some((error) => error.in === wrong.in && error.field === wrong.field && error.code === wrong.code),
    `${name}: ${JSON.stringify(errors)}`,
  );
}

test('a header or parameter that is given and empty is not taken as absent, by any route', async (t) => {
  const { context: world } = t;
  const jobId = await runningJob(world);
  let tried = 0;
  for (const route of routes) {
    const path = pathOf(route, world, jobId);
    const given = [
      ...Object.keys(route.headers.shape).map((field) => ({ in: 'header', field })),
      ...Object.keys(route.query.shape).map((field) => ({ in: 'query', field })),
    ];
    for (const { in: place, field } of given) {
      const query = place === 'query' ? `?${field}=` : '';
      const headers = place === 'header' ? { [field]: '' } : {};
      const answer = await send(world, route.method, path + query, { token: world.admin, headers });
      const name = `${route.operationId} ${field}`;
      t.is(answer.status, 400, name);
      const { errors } = problemSchema.parse(answer.body);
      t.true(
        errors.some((error) => error.in === place && error.field === field),
        `${name}: ${JSON.stringify(errors)}`,
      );
      tried++;
    }
  }
  t.true(tried >= 15, `${tried}`);
});

test('a parameter that is given twice is refused, by every route that has one', async (t) => {
  const { context: world } = t;
  for (const route of routes) {
    for (const field of Object.keys(route.query.shape)) {
      const path = `${pathOf(route, world)}?${field}=1&${field}=1`;
      isRefused(t, await send(world, 'GET', path, { token: world.admin }), { in: 'query', field, code: 'REPEATED' }, path);
    }
  }
});

test('every parameter is read, however many there are', async (t) => {
  const { context: world } = t;
  for (const filler of ['&', 'a&']) {
    const answer = await send(world, 'GET', `/v1/members?${filler.repeat(1_000)}bogus=1`, { token: world.admin });
    t.is(answer.status, 400);
    t.true(answer.body.errors.some(({ field, code }: Wrong) => field === 'bogus' && code === 'UNKNOWN'));
  }
});

test('a header that is sent in two lines is refused, unless it is a list', async (t) => {
  const { context: world } = t;
  const path = `/v1/members/${world.hanaId}`;
  const body = JSON.stringify({ displayName: 'H' });
  const cases: [field: string, values: [string, string], code: string][] = [
    ['Idempotency-Key', ['a', 'a'], 'REPEATED'],
    ['If-Match', ['"1"', '"1"'], 'REPEATED'],
    ['Authorization', [`Bearer ${world.admin}`, `Bearer ${world.hana}`], 'REPEATED'],
    ['Content-Type', ['application/json', 'text/plain'], 'REPEATED'],
  ];
  for (const [field, values, code] of cases) {
    const others = [token(world), JSON_LINE].filter(([name]) => name !== field);
    const lines = values.map((value): [string, string] => [field, value]);
    isRefused(t, await sendLines(world, 'PATCH', path, [...others, ...lines], body), { in: 'header', field, code }, field);
  }
  const preferences: [string, string][] = [
    ['Prefer', 'respond-async'],
    ['Prefer', 'wait=1'],
  ];
  const waited = await sendLines(world, 'PATCH', path, [token(world), JSON_LINE, ...preferences], body);
  t.is(waited.headers.get('preference-applied'), 'wait=1');
  const etag = waited.headers.get('etag') ?? '';
  const copies: [string, string][] = [
    ['If-None-Match', '"0.other"'],
    ['If-None-Match', etag],
  ];
  t.is((await sendLines(world, 'GET', path, [token(world), ...copies])).status, 304);
});

test('two lengths of one body are no request', async (t) => {
  const socket = connect(Number(new URL(t.context.base).port), '127.0.0.1');
  socket.write('POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}');
  t.regex(await text(socket), /^HTTP\/1\.1 400 /);
});

test('a condition that a route does not heed is refused, never passed over', async (t) => {
  const { context: world } = t;
  const jobId = await runningJob(world);
  for (const route of routes.filter(({ path }) => !path.includes('{file}') && !path.includes('{code}'))) {
    const headers = ['If-Match', 'If-Unmodified-Since', ...(route.method === 'GET' ? [] : ['If-None-Match'])];
    for (const field of headers.filter((name) => !Object.hasOwn(route.headers.shape, name))) {
      const path = pathOf(route, world, jobId);
      const answer = await send(world, route.method, path, { token: world.admin, headers: { [field]: '"1"' } });
      isRefused(t, answer, { in: 'header', field, code: 'UNKNOWN' }, `${route.operationId} ${field}`);
    }
  }
});

test('a body is refused where none is asked for, unless it says nothing', async (t) => {
  const { context: world } = t;
  const token = world.admin;
  const bodiless = routes.filter(({ method, body }) => method !== 'GET' && !body);
  t.deepEqual(
    bodiless.map(({ operationId }) => operationId),
    ['logout', 'reinstateMember', 'deleteMember', 'cancelJob'],
  );
  const jobId = await runningJob(world);
  for (const route of bodiless) {
    const path = pathOf(route, world, jobId);
    const said = await send(world, route.method, path, { token, body: { force: true } });
    isRefused(t, said, { in: 'body', field: 'force', code: 'UNKNOWN' }, route.operationId);
    const text = await send(world, route.method, path, { token, body: 'x', headers: { 'content-type': 'text/plain' } });
    t.is(text.status, 415, route.operationId);
  }
  t.is((await send(world, 'POST', '/v1/auth/logout', { token, body: {} })).status, 204);
});

test('the type of a body must be given, and be one that is understood', async (t) => {
  const { context: world } = t;
  const post = (lines: [string, string][]) =>
    sendLines(world, 'POST', '/v1/members', [token(world), ...lines], JSON.stringify(taro));
  const cases: [[string, string][], Wrong][] = [
    [[], { in: 'header', field: 'Content-Type', code: 'REQUIRED' }],
    [[['Content-Type', '']], { in: 'header', field: 'Content-Type', code: 'NOT_ONE_OF' }],
    [[['Content-Type', 'text/plain']], { in: 'header', field: 'Content-Type', code: 'NOT_ONE_OF' }],
    [[['Content-Type', 'application/json; charset=latin1']], { in: 'header', field: 'Content-Type', code: 'NOT_ONE_OF' }],
    [[JSON_LINE, ['Content-Encoding', 'gzip']], { in: 'header', field: 'Content-Encoding', code: 'NOT_ONE_OF' }],
    [[JSON_LINE, ['Content-Encoding', '']], { in: 'header', field: 'Content-Encoding', code: 'NOT_ONE_OF' }],
  ];
  for (const [lines, wrong] of cases) {
    const answer = await post(lines);
    t.is(answer.status, 415, JSON.stringify(lines));
    t.like(answer.body.errors, [wrong], JSON.stringify(answer.body));
  }
});

test('a name that a body has twice is refused: nobody knows which value counts', async (t) => {
  const { context: world } = t;
  const post = (body: string, path = '/v1/members') =>
    send(world, 'POST', path, { token: world.admin, body, headers: { 'content-type': 'application/json' } });
  const whole = JSON.stringify(taro).slice(1);
  for (const [body, field] of [
    [`{"loginId": "other", ${whole}`, 'loginId'],
    [`{"login\\u0049d": "other", ${whole}`, 'loginId'],
  ] as const) {
    const answer = await post(body);
    t.is(answer.body.code, 'MALFORMED_JSON');
    isRefused(t, answer, { in: 'body', field, code: 'REPEATED' }, body);
  }
  const checks = '[{"action": "a", "resource": {"type": "Job"}}, {"action": "a", "resource": {"type": "Job", "id": ",\\"{:"}}]';
  t.is((await post(`{"checks": ${checks}}`, '/v1/auth/check')).status, 200, 'the same name in different objects');
});

test('what is wrong is said in words of ours: where, which field, what kind, and how to mend it', async (t) => {
  const { context: world } = t;
  const post = async (body: unknown, path = '/v1/members') =>
    (await send(world, 'POST', path, { token: world.admin, body })).body.errors;
  const body = (field: string, code: string, message: string) => ({ in: 'body', field, code, message });
  t.deepEqual(await post(undefined), [body('', 'REQUIRED', 'is missing')]);
  t.deepEqual(await post([]), [body('', 'WRONG_TYPE', 'must be an object')]);
  t.deepEqual(await post({ ...taro, loginId: 7, email: null }), [
    body('loginId', 'WRONG_TYPE', 'must be a string'),
    body('email', 'WRONG_TYPE', 'must be a string'),
  ]);
  const { email: _, ...rest } = taro;
  t.deepEqual(await post({ ...rest, admin: true }), [
    body('email', 'REQUIRED', 'is missing'),
    body('admin', 'UNKNOWN', 'is not known here; known are loginId, password, displayName, email'),
  ]);
  t.deepEqual(await post({ ...taro, password: 'short' }), [body('password', 'TOO_SHORT', 'must have at least 8 characters')]);
  t.deepEqual(await post({ ...taro, password: 'x'.repeat(257) }), [
    body('password', 'TOO_LONG', 'must have at most 256 characters'),
  ]);
  t.deepEqual(await post({ ...taro, displayName: 'x'.repeat(101) }), [
    body('displayName', 'TOO_LONG', 'must have at most 100 characters'),
  ]);
  t.deepEqual(await post({ ...taro, email: 'nobody' }), [body('email', 'WRONG_FORMAT', 'must be an e-mail address')]);
  t.deepEqual(await post({ loginId: '' }, '/v1/auth/login'), [
    body('loginId', 'TOO_SHORT', 'must not be empty'),
    body('password', 'REQUIRED', 'is missing'),
  ]);
  t.deepEqual(await post({ checks: [] }, '/v1/auth/check'), [body('checks', 'TOO_SHORT', 'must not be empty')]);
  t.deepEqual(await post({ checks: [{ action: 'a', resource: { type: 'Job', id: '' } }] }, '/v1/auth/check'), [
    body('checks[0].resource.id', 'TOO_SHORT', 'must not be empty'),
  ]);
  const changed = await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { token: world.admin, body: {} });
  t.deepEqual(changed.body.errors, [body('', 'REQUIRED', 'must change at least one field')]);

  const list = async (query: string) => (await send(world, 'GET', `/v1/jobs?${query}`, { token: world.admin })).body.errors;
  const parameter = (field: string, code: string, message: string) => ({ in: 'query', field, code, message });
  t.deepEqual(await list('pageSize=0&state=lost'), [
    parameter('state', 'NOT_ONE_OF', 'must be one of queued, running, compensating, applied, completed, failed, cancelled'),
    parameter('pageSize', 'TOO_SMALL', 'must be at least 1'),
  ]);
  t.deepEqual(await list('pageSize=101'), [parameter('pageSize', 'TOO_LARGE', 'must be at most 100')]);
  for (const size of ['x', '1.0', '1e1', '0x10', '+5', '%205', '5%20', ''])
    t.deepEqual(await list(`pageSize=${size}`), [parameter('pageSize', 'WRONG_FORMAT', 'must be a whole number')], size);
  t.deepEqual(await list('x=1'), [parameter('x', 'UNKNOWN', 'is not known here; known are state, command, pageSize, pageToken')]);
});

test('all parts of a request are looked at before it is refused', async (t) => {
  const { context: world } = t;
  const answer = await send(world, 'PATCH', `/v1/members/${world.hanaId}?x=1`, {
    token: world.admin,
    body: { email: 'nobody' },
    headers: { 'if-match': 'nonsense' },
  });
  t.deepEqual(
    answer.body.errors.map(({ in: place, field }: Wrong) => [place, field]),
    [
      ['query', 'x'],
      ['header', 'If-Match'],
      ['body', 'email'],
    ],
  );
  t.is(answer.body.detail, 'The request is not valid: the parameter x is not known here; leave it out, and 2 more.');
});

test('what a service refuses is found in the request by the route', async (t) => {
  const { context: world } = t;
  const headers = { 'idempotency-key': `key-${newId()}` };
  const post = (body: object) => send(world, 'POST', '/v1/members', { token: world.admin, body, headers });
  await post({ ...taro, loginId: 'first' });
  t.deepEqual((await post({ ...taro, loginId: 'second' })).body.errors, [
    { in: 'header', field: 'Idempotency-Key', code: 'TAKEN', message: 'was used for another request; use a new one' },
  ]);
  for (const path of ['/v1/members', '/v1/jobs']) {
    const page = await send(world, 'GET', `${path}?pageToken=none`, { token: world.admin });
    t.is(page.body.code, 'PAGE_TOKEN_INVALID');
    t.like(page.body.errors, [{ in: 'query', field: 'pageToken' }]);
  }
  const hana = { ...taro, loginId: 'hana' };
  const taken = await send(world, 'POST', '/v1/members', { token: world.admin, body: hana, headers: { prefer: 'wait=5' } });
  t.is(taken.body.code, 'LOGIN_TAKEN');
  t.like(taken.body.errors, [{ in: 'body', field: 'loginId', code: 'TAKEN' }]);
});

test('an ID is read in either case, by every route that has one', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const { jobId } = (await send(world, 'PATCH', `/v1/members/${hanaId}`, { token, body: { displayName: 'H' } })).body;
  const tried: string[] = [];
  for (const route of routes.filter(({ params }) => 'memberId' in params.shape || 'jobId' in params.shape)) {
    const path = pathOf(route, world, jobId);
    const asked = (one: string) =>
      send(world, route.method, one, {
        token,
        headers: route.method === 'GET' ? {} : { prefer: 'wait=5' },
        ...(route.method === 'PATCH' ? { body: { displayName: 'H' } } : {}),
      });
    if (route.method === 'DELETE') continue;
    const [lower, upper] = [await asked(path), await asked(path.replace(/[^/:]{36}/, (id) => id.toUpperCase()))];
    const { traceId: _, updatedAt: __, suspendedAt: ___, ...expected } = lower.body;
    t.like(upper.body, expected, route.operationId);
    t.is(upper.status, lower.status);
    t.is(upper.headers.get('location'), lower.headers.get('location'));
    tried.push(route.operationId);
  }
  t.deepEqual(tried, ['getMember', 'updateMember', 'suspendMember', 'reinstateMember', 'getJob', 'cancelJob']);

  // A repeat in the other case is a repeat.
  const headers = { 'idempotency-key': `key-${newId()}` };
  const remove = (id: string) => send(world, 'DELETE', `/v1/members/${id}`, { token, headers });
  const other = (await send(world, 'POST', '/v1/members', { token, body: taro, headers: { prefer: 'wait=5' } })).body.id;
  const [first, second] = [await remove(other), await remove(other.toUpperCase())];
  t.is(second.body.jobId, first.body.jobId);
  t.true(
    world.started.every(({ aggregateId, input }) => aggregateId === input.memberId && aggregateId === aggregateId.toLowerCase()),
  );

  const checks = [other, hanaId].map((id) => ({ action: 'member.update', resource: { type: 'Member', id: id.toUpperCase() } }));
  const jobs = [{ action: 'job.read', resource: { type: 'Job', id: jobId.toUpperCase() } }];
  const answer = await send(world, 'POST', '/v1/auth/check', { token: world.hana, body: { checks: [...checks, ...jobs] } });
  t.deepEqual(answer.body.results, [{ allowed: false }, { allowed: true }, { allowed: false }]);
  for (const id of [hanaId.replaceAll('-', ''), `{${hanaId}}`, `urn:uuid:${hanaId}`])
    t.is((await send(world, 'GET', `/v1/members/${id}`, { token })).status, 404, id);
});
