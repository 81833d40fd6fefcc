import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';
import { isRefused, JSON_LINE, pathOf, runningJob, sendLines, taro, token, type Wrong } from './refused.fixture.ts';

const test = worldTest();

const routes = allRoutes();

test('a body is refused where none is asked for, unless it says nothing', async (t) => {
  const { context: world } = t;
  const token = world.admin;
  const bodiless = routes.filter(({ method, body }) => method !== 'GET' && !body);
  t.deepEqual(
    bodiless.map(({ operationId }) => operationId),
    [
      ...[
        'logout',
        'endSession',
        'reinstateMember',
        'deleteMember',
        'deleteRole',
        'attachPolicy',
        'detachPolicy',
        'deletePolicy',
      ],
      ...['assignRole', 'revokeRole', 'deleteGroup', 'archiveGroup', 'restoreGroup', 'addMember', 'leaveGroup'],
      ...['approveRequest', 'withdrawRequest', 'acceptInvitation', 'declineInvitation', 'withdrawInvitation'],
      ...['putTag', 'removeTag', 'tagGroup', 'untagGroup', 'tagMember', 'untagMember'],
      ...['deletePosition', 'unbindPosition', 'openDirect', 'deleteRoom', 'addRoomMember', 'removeRoomMember'],
      ...['deleteMessage', 'addReaction', 'removeReaction', 'releaseLogin', 'cancelJob'],
    ],
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
    body('admin', 'UNKNOWN', 'is not known here; known are loginId, password, displayName, email, locale, timeZone, attributes'),
  ]);
  t.deepEqual(await post({ ...taro, password: 'short' }), [body('password', 'TOO_SHORT', 'must have at least 8 characters')]);
  t.deepEqual(await post({ ...taro, password: 'x'.repeat(257) }), [
    body('password', 'TOO_LONG', 'must have at most 256 characters'),
  ]);
  t.deepEqual(await post({ ...taro, displayName: 'x'.repeat(101) }), [
    body('displayName', 'TOO_LONG', 'must have at most 100 characters'),
  ]);
  t.deepEqual(await post({ ...taro, email: 'nobody' }), [
    body('email', 'WRONG_FORMAT', 'must be an e-mail address of ASCII characters'),
  ]);
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
  const unknown = await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { token: world.admin, body: { status: 'active' } });
  t.like(unknown.body.errors, [{ field: 'status', code: 'UNKNOWN' }]);
  t.is(unknown.body.errors.length, 1, 'and nothing is said of what is not known yet');

  const list = async (query: string) => (await send(world, 'GET', `/v1/jobs?${query}`, { token: world.admin })).body.errors;
  const parameter = (field: string, code: string, message: string) => ({ in: 'query', field, code, message });
  t.deepEqual(await list('pageSize=0&state=lost'), [
    parameter('state', 'NOT_ONE_OF', 'must be one of queued, running, compensating, applied, completed, failed, cancelled'),
    parameter('pageSize', 'TOO_SMALL', 'must be at least 1'),
  ]);
  t.deepEqual(await list('pageSize=101'), [parameter('pageSize', 'TOO_LARGE', 'must be at most 100')]);
  for (const size of ['x', '1.0', '1e1', '0x10', '+5', '%205', '5%20', ''])
    t.deepEqual(await list(`pageSize=${size}`), [parameter('pageSize', 'WRONG_FORMAT', 'must be a whole number')], size);
  const found = await send(world, 'GET', '/v1/members?query=', { token: world.admin });
  t.deepEqual(found.body.errors, [parameter('query', 'TOO_SHORT', 'must not be empty')], 'of each field the first');
  t.deepEqual(await list('x=1'), [parameter('x', 'UNKNOWN', 'is not known here; known are state, command, pageSize, pageToken')]);
});
