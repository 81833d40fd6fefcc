import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { newId } from '#platform/validation/id.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';
import { problemSchema } from './problem.ts';
import { isRefused, JSON_LINE, pathOf, runningJob, sendLines, taro, token, type Wrong } from './refused.fixture.ts';

const test = worldTest();

const routes = allRoutes();

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
  const jobId = await runningJob(world);
  for (const route of routes) {
    for (const field of Object.keys(route.query.shape)) {
      const path = `${pathOf(route, world, jobId)}?${field}=1&${field}=1`;
      isRefused(t, await send(world, route.method, path, { token: world.admin }), { in: 'query', field, code: 'REPEATED' }, path);
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
    const { traceId: _, updatedAt: __, suspendedAt: ___, instance: ____, ...expected } = lower.body;
    if (Object.keys(expected).length > 0) t.like(upper.body, expected, route.operationId);
    t.is(upper.status, lower.status);
    t.is(upper.headers.get('location'), lower.headers.get('location'));
    tried.push(route.operationId);
  }
  t.deepEqual(tried, [
    ...[
      'getMember',
      'updateMember',
      'suspendMember',
      'reinstateMember',
      'assignRole',
      'listMemberRoles',
      'addMember',
      'expelMember',
      ...['approveRequest', 'declineRequest', 'acceptInvitation', 'declineInvitation'],
      ...['listMemberJoinRequests', 'listMemberInvitations', 'listMemberExpulsions'],
      'tagMember',
      'listMemberGroups',
    ],
    ...['bindPosition', 'openDirect', 'addRoomMember', 'getJob', 'listJobLines', 'cancelJob'],
  ]);

  // A repeat in the other case is a repeat.
  const headers = { 'idempotency-key': `key-${newId()}` };
  const remove = (id: string) => send(world, 'DELETE', `/v1/members/${id}`, { token, headers });
  const other = (await send(world, 'POST', '/v1/members', { token, body: taro, headers: { prefer: 'wait=5' } })).body.id;
  const [first, second] = [await remove(other), await remove(other.toUpperCase())];
  t.is(second.body.jobId, first.body.jobId);
  t.true(
    world.started.every(
      ({ aggregateId, input }) =>
        // A direct room's is made of those of its members.
        ('memberIds' in input && input.memberIds.includes(hanaId)) ||
        ('memberId' in input && aggregateId === input.memberId && aggregateId === aggregateId.toLowerCase()),
    ),
  );

  const checks = [other, hanaId].map((id) => ({ action: 'member.update', resource: { type: 'Member', id: id.toUpperCase() } }));
  const jobs = [{ action: 'job.read', resource: { type: 'Job', id: jobId.toUpperCase() } }];
  const answer = await send(world, 'POST', '/v1/auth/check', { token: world.hana, body: { checks: [...checks, ...jobs] } });
  t.deepEqual(answer.body.results, [{ allowed: false }, { allowed: true }, { allowed: false }]);
  for (const id of [hanaId.replaceAll('-', ''), `{${hanaId}}`, `urn:uuid:${hanaId}`])
    t.is((await send(world, 'GET', `/v1/members/${id}`, { token })).status, 404, id);
});
