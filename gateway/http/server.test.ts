import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { openRaw, type RawClient } from '#platform/http/raw-client.fixture.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { metrics } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { startWorld, type World } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';
import { createApp } from './app.ts';
import { problemSchema } from './problem.ts';
import { serveApp } from './server.ts';

// What HTTP clients send is written byte by byte here: no client library would send it.

interface Server {
  world: World;
  port: number;
  lifecycle: Lifecycle;
}
// One after the other: they count in the same metrics.
const test = (anyTest as TestFn<Server>).serial;
test.beforeEach(async (t) => {
  const world = await startWorld();
  const { log } = world.gateway;
  const lifecycle = new Lifecycle(log, 20_000);
  const limits = { headers: 2_000, request: 2_500, check: 50, drain: 5_000 };
  const listen = { host: '127.0.0.1', port: 0 };
  const port = await serveApp(createApp(world.gateway, allRoutes()), { listen, lifecycle, log, limits });
  t.context = { world, port, lifecycle };
});
test.afterEach.always(async ({ context }) => {
  await context.lifecycle.stop('test');
  await context.world.close();
});

const open = ({ context }: ExecutionContext<Server>): Promise<RawClient> => openRaw(context.port);

const HEAD = 'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n';
const WAITING = (world: World): string => {
  const body = JSON.stringify({ loginId: 'taro', password: 'long enough', displayName: 'T', email: 't@example.com' });
  const headers = { Host: 'x', Authorization: `Bearer ${world.admin}`, Prefer: 'wait=1', 'Content-Type': 'application/json' };
  const lines = Object.entries({ ...headers, 'Content-Length': body.length }).map(([name, value]) => `${name}: ${value}`);
  return `POST /v1/members HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
};

const lines = ({ context }: ExecutionContext<Server>) => context.world.lines.filter(({ msg }) => msg === 'request');

async function counted(): Promise<Record<string, number>> {
  const metric = await metrics.getSingleMetric('musubi_http_server_seconds')?.get();
  const values = (metric?.values ?? []) as { metricName?: string; labels: Record<string, string>; value: number }[];
  const counts = values.filter(({ metricName }) => metricName?.endsWith('_count'));
  return Object.fromEntries(counts.map(({ labels, value }) => [`${labels.route} ${labels.status}`, value]));
}

/** What was logged of one request, once it is; fails unless it was counted once, under the same route and status. */
async function loggedOnce(t: ExecutionContext<Server>, before: Record<string, number>): Promise<Record<string, unknown>> {
  await until(() => lines(t).length !== 0);
  await sleep(100);
  t.is(lines(t).length, 1, JSON.stringify(lines(t)));
  const [line = {}] = lines(t);
  t.is(line.source, '127.0.0.1', 'also of what never became a request');
  const name = `${line.route} ${line.status}`;
  const grown = Object.entries(await counted()).filter(([key, value]) => value !== (before[key] ?? 0));
  t.deepEqual(grown, [[name, (before[name] ?? 0) + 1]]);
  return line;
}

const UNREADABLE: Record<string, [bytes: string, status: number, code: string]> = {
  'a target that can not be parsed': ['GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  'a path that can not be decoded': ['GET /v1/members/%E0%A4%A HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  'a request of two hosts': ['GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  'an expectation': ['GET / HTTP/1.1\r\nHost: x\r\nExpect: something\r\n\r\n', 417, 'EXPECTATION_FAILED'],
  'a request to a proxy': ['CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
  'what is not HTTP': ['NONSENSE\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  'a head that is too large': [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  'a head that does not end': ['GET / HTTP/1.1\r\nHost: x\r\n', 408, 'REQUEST_TIMEOUT'],
  'a body that does not end': [HEAD, 408, 'REQUEST_TIMEOUT'],
  'a chunk that is none': [
    `${HEAD.replace(/Content-Length.*\r\n\r\n/, 'Transfer-Encoding: chunked\r\n\r\n')}zz\r\n`,
    400,
    'MALFORMED_REQUEST',
  ],
};
for (const [what, [bytes, status, code]] of Object.entries(UNREADABLE)) {
  test(`${what} is answered with a problem, and logged and counted once with its trace`, async (t) => {
    const before = await counted();
    const { socket, closed } = await open(t);
    socket.write(bytes);
    const [head = '', body = ''] = (await closed).split('\r\n\r\n');
    t.regex(head, new RegExp(`^HTTP/1.1 ${status} .*content-type: application/problem\\+json.*connection: close`, 'is'));
    const problem = problemSchema.parse(JSON.parse(body));
    t.like(problem, { status, code });
    const line = await loggedOnce(t, before);
    t.is(line.status, status);
    t.regex(problem.traceId, /^[0-9a-f]{32}$/);
    t.is(line.traceId, problem.traceId);
  });
}

test('a client that leaves in the middle of its body is logged and counted once, as 499', async (t) => {
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    t.context.world.lines.length = 0;
    const before = await counted();
    const { socket, closed } = await open(t);
    socket.write(`${HEAD}{"loginId"`);
    await sleep(100);
    socket[leave]();
    await closed;
    t.like(await loggedOnce(t, before), { status: 499, route: '/v1/auth/login', level: 30 }, leave);
  }
});

test('a defect is logged once, with its stack, also when the client left before it came', async (t) => {
  const { world } = t.context;
  let fail: (() => void) | undefined;
  const { query } = world.gateway;
  world.gateway.query = new Proxy(query, {
    get: () => () => new Promise((_, reject) => (fail = () => reject(new TypeError('a defect')))),
  });
  for (const later of [true, false]) {
    world.lines.length = 0;
    const before = await counted();
    const { socket, closed } = await open(t);
    socket.write(`GET /v1/members/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${world.hana}\r\n\r\n`);
    await until(() => fail);
    socket.destroy();
    if (later) {
      await closed;
      await sleep(100);
    }
    fail?.();
    fail = undefined;
    const line = await loggedOnce(t, before);
    t.like(line, { level: 50, route: '/v1/members/me' });
    if (later) t.is(line.status, 499);
    t.regex(JSON.stringify(line.err), /TypeError: a defect.*server\.test\.ts/);
  }
});

test('nonsense behind a request that is being answered is logged for itself', async (t) => {
  t.context.world.next = 'running';
  const { socket, closed } = await open(t);
  socket.write(WAITING(t.context.world));
  await sleep(100);
  socket.write('NONSENSE\r\n\r\n');
  t.is(await closed, '', 'no answer to the one is taken for the other');
  await until(() => lines(t).length >= 2);
  t.deepEqual(
    lines(t)
      .map(({ status }) => status)
      .sort(),
    [400, 499],
  );
});

test('a stop lets requests finish, tells connections that go on, and closes idle ones', async (t) => {
  const { lifecycle, world, port } = t.context;
  world.next = 'running';
  const [unused, idle, busy, late] = [await open(t), await open(t), await open(t), await open(t)];
  idle.socket.write('GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => idle.received() !== '');
  busy.socket.write(WAITING(world));
  await until(() => world.started.length !== 0);
  late.socket.write('GET /v1/nothing HTTP/1.1\r\n');
  await sleep(50);
  const begun = Date.now();
  const stopped = lifecycle.stop('test');
  late.socket.write('Host: x\r\n\r\n');
  t.regex(await late.closed, /^HTTP\/1\.1 404 .*connection: close/is);
  t.regex(await idle.closed, /^HTTP\/1\.1 404 /);
  t.is(await unused.closed, '');
  t.true(Date.now() - begun < 5_000);
  await t.throwsAsync(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
  t.regex(await busy.closed, /^HTTP\/1\.1 202 /, 'though it was kept alive, and nothing more was sent');
  await stopped;
});

test('a stop answers a request that is on its way on a connection that was just opened', async (t) => {
  const { lifecycle } = t.context;
  const { socket, closed } = await open(t);
  // So that the server has it, too.
  await sleep(20);
  const stopped = lifecycle.stop('test');
  await sleep(150);
  socket.write('GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n');
  t.regex(await closed, /^HTTP\/1\.1 404 .*connection: close/is);
  await stopped;
});

test('what does not finish is cut', async (t) => {
  const { lifecycle, world } = t.context;
  world.next = 'running';
  const { socket, closed } = await open(t);
  socket.write(WAITING(world).replace('wait=1', 'wait=30'));
  await until(() => world.started.length !== 0);
  const begun = Date.now();
  await lifecycle.stop('test');
  const took = Date.now() - begun;
  t.true(took >= 2_900 && took < 15_000, `${took} ms`);
  t.is(await closed, '');
  await until(() => lines(t).length !== 0);
  t.like(lines(t)[0], { status: 499 });
});
