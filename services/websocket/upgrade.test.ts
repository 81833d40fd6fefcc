import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { WebSocket } from 'ws';
import { openRaw, parseAnswer, type RawClient } from '#platform/http/raw-client.fixture.ts';
import { CLIENT_CODES } from '#platform/problems.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { TestClient } from './client.fixture.ts';
import { atOnce } from './peers.fixture.ts';
import { request, UPGRADE } from './raw.fixture.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

// Written byte by byte, as no client library would.

const PAGE = 'https://app.example.org';
let sockets: TestSockets;
let one: TestInstance;
// Problems name their trace.
const telemetry = startTelemetry('test', {});
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance({ origins: [PAGE] });
});
test.after.always(async () => {
  await sockets?.close();
  await telemetry.stop();
});

let members = 0;
const token = (): string => sockets.token(`m${++members}`);
const portOf = ({ url }: TestInstance): number => Number(new URL(url).port);

/** The server ends the connection, and lets go of it, which it does not have to say: what is sent then is reset. */
async function cut({ socket, closed }: RawClient): Promise<void> {
  await Promise.race([once(socket, 'end'), closed]);
  const more = setInterval(() => socket.writable && socket.write('x'), 50);
  await closed;
  clearInterval(more);
}

const { 'Sec-WebSocket-Key': _key, ...withoutKey } = UPGRADE;
const without = (name: keyof typeof UPGRADE): Record<string, string> =>
  Object.fromEntries(Object.entries(UPGRADE).filter(([each]) => each !== name));
const REFUSED: Record<string, [bytes: string, status: number, code: string]> = {
  'a wrong path': [request('/elsewhere', UPGRADE), 404, 'ROUTE_NOT_FOUND'],
  'no subprotocol': [request('/v1/events', without('Sec-WebSocket-Protocol')), 400, 'SUBPROTOCOL_REQUIRED'],
  'a page of another origin': [request('/v1/events', { ...UPGRADE, Origin: 'https://evil.example' }), 403, 'ORIGIN_REFUSED'],
  'a page without an origin to name': [request('/v1/events', { ...UPGRADE, Origin: 'null' }), 403, 'ORIGIN_REFUSED'],
  'an empty origin': [request('/v1/events', { ...UPGRADE, Origin: '' }), 403, 'ORIGIN_REFUSED'],
  'two origins': [request('/v1/events', { ...UPGRADE, Origin: `${PAGE}\r\nOrigin: ${PAGE}` }), 403, 'ORIGIN_REFUSED'],
  'two tokens': [
    request('/v1/events', { ...UPGRADE, Authorization: 'Bearer a\r\nAuthorization: Bearer b' }),
    400,
    'MALFORMED_REQUEST',
  ],
  'no key': [request('/v1/events', withoutKey), 400, 'MALFORMED_REQUEST'],
  'a POST': [request('/v1/events', UPGRADE).replace('GET', 'POST'), 400, 'MALFORMED_REQUEST'],
  'an old version of the protocol': [
    request('/v1/events', { ...UPGRADE, 'Sec-WebSocket-Version': '8' }),
    426,
    'UPGRADE_REQUIRED',
  ],
  'another protocol': [request('/v1/events', { ...UPGRADE, Upgrade: 'h2c' }), 426, 'UPGRADE_REQUIRED'],
  'no host': [request('/v1/events', without('Host')), 400, 'MALFORMED_REQUEST'],
  'two hosts': [request('/v1/events', { ...UPGRADE, Host: 'a\r\nHost: b' }), 400, 'MALFORMED_REQUEST'],
  'a target that is none': [request('http://[::1/', UPGRADE), 400, 'MALFORMED_REQUEST'],
  'no host, and no upgrade': [request('/v1/events', {}), 400, 'MALFORMED_REQUEST'],
  'two hosts, and no upgrade': [request('/asyncapi.json', { Host: 'a\r\nHost: b' }), 400, 'MALFORMED_REQUEST'],
  'an expectation': [request('/asyncapi.json', { Host: 'x', Expect: 'the-unexpected' }), 417, 'EXPECTATION_FAILED'],
  'what is not HTTP': ['NONSENSE\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  'no upgrade': [request('/v1/events'), 426, 'UPGRADE_REQUIRED'],
  'a path that there is not': [request('/problems/NOT_A_CODE'), 404, 'ROUTE_NOT_FOUND'],
  'a method that there is not': [request('/asyncapi.json').replace('GET', 'DELETE'), 405, 'METHOD_NOT_ALLOWED'],
};
for (const [what, [bytes, status, code]] of Object.entries(REFUSED)) {
  test(`${what}: refused with a problem, and closed, though its client stays`, async (t) => {
    const client = await openRaw(portOf(one), { halfOpen: true });
    client.socket.write(bytes);
    await cut(client);
    const answer = parseAnswer(client.received());
    t.is(answer.status, status);
    t.like(answer.headers, {
      'content-type': 'application/problem+json',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    t.regex(answer.headers.connection ?? '', /close/);
    if (status === 426) t.like(answer.headers, { upgrade: 'websocket', 'sec-websocket-version': '13' });
    if (status === 405) t.is(answer.headers.allow, 'GET, HEAD, OPTIONS');
    const problem = JSON.parse(answer.body);
    t.like(problem, { type: `/problems/${code}`, status, code, errors: [] });
    t.regex(problem.traceId, /^(?!0{32})[0-9a-f]{32}$/);
    // Its type can be read where it was told.
    const kind = (await (await fetch(`${one.http}${problem.type}`)).json()) as Record<string, string>;
    t.like(kind, { code, status, type: problem.type, title: problem.title });
    t.true(CLIENT_CODES.includes(code as (typeof CLIENT_CODES)[number]) && kind.remedy !== '');
  });
}

test('pages of an allowed origin, and who is no browser, may open sockets', async (t) => {
  for (const origin of [PAGE, undefined]) {
    const ws = new WebSocket(one.url, 'musubi.v1', {
      headers: { authorization: `Bearer ${token()}`, ...(origin && { origin }) },
    });
    t.is(await new Promise((resolve) => ws.on('open', () => resolve('open')).on('error', resolve)), 'open');
    ws.terminate();
  }
});

test('an allowed page may read the documents, and others may not; who has them is not sent them again', async (t) => {
  const read = (headers: Record<string, string>) => fetch(`${one.http}/asyncapi.json`, { headers });
  const [allowed, other, none] = [await read({ origin: PAGE }), await read({ origin: 'https://evil.example' }), await read({})];
  t.is(allowed.headers.get('access-control-allow-origin'), PAGE);
  for (const response of [other, none]) t.is(response.headers.get('access-control-allow-origin'), null);
  for (const response of [allowed, other, none]) {
    t.is(response.headers.get('vary'), 'Origin, Accept-Encoding');
    t.is(response.headers.get('x-content-type-options'), 'nosniff');
  }
  const etag = none.headers.get('etag') ?? '';
  t.regex(etag, /^"[\w-]{16}-\w+"$/);
  const coded = await Promise.all(['br', 'gzip', 'identity'].map((coding) => read({ 'accept-encoding': coding })));
  t.deepEqual(
    coded.map(({ headers }) => headers.get('content-encoding')),
    ['br', 'gzip', null],
  );
  const [text, ...others] = await Promise.all(coded.map((response) => response.text()));
  t.deepEqual(others, [text, text]);
  t.is(new Set(coded.map(({ headers }) => headers.get('etag'))).size, 3);
  for (const [tags, status] of [
    [etag, 304],
    [`"x", W/${etag}`, 304],
    ['"x"', 200],
  ] as const) {
    t.is((await read({ 'if-none-match': tags })).status, status);
  }
  const options = await fetch(`${one.http}/v1/events`, { method: 'OPTIONS' });
  t.deepEqual([options.status, options.headers.get('allow')], [204, 'GET, OPTIONS']);
  const head = await fetch(`${one.http}/asyncapi.json`, { method: 'HEAD' });
  t.deepEqual([head.status, head.headers.get('etag'), await head.text()], [200, etag, '']);
});

test.serial('an upgrade whose token Auth takes long to look at comes to an end, and registers nobody', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  sockets.before.auth = () => promise;
  const hasty = await sockets.instance({ http: { upgrade: 400, check: 50 } });
  const client = await openRaw(portOf(hasty), { halfOpen: true });
  const me = `m${++members}`;
  client.socket.write(request('/v1/events', { ...UPGRADE, Authorization: `Bearer ${sockets.token(me)}` }));
  await cut(client);
  t.is(client.received(), '');
  // One that the client leaves is not opened, either.
  const left = await openRaw(portOf(one));
  left.socket.write(request('/v1/events', { ...UPGRADE, Authorization: `Bearer ${sockets.token(me)}` }));
  await sleep(200);
  left.socket.destroy();
  await sleep(200);
  resolve();
  sockets.before = atOnce();
  // Whoever asks after them is answered after them.
  const probe = await TestClient.open(one.url, sockets.token(me));
  await probe.until(async () => (await sockets.registered(me)) === 1);
  await sleep(200);
  t.is(await sockets.registered(me), 1);
});

test('who says nothing, or not all, or stays silent, is cut', async (t) => {
  const hasty = await sockets.instance({ http: { headers: 300, request: 600, idle: 400, check: 50 } });
  for (const [bytes, status] of [
    ['', undefined],
    ['GET /v1/ev', 408],
    [`${request('/v1/events', UPGRADE).slice(0, -2)}X: `, 408],
    [request('/asyncapi.json').replace('GET', 'POST').replace('Host: x', 'Host: x\r\nContent-Length: 9'), 405],
    [request('/asyncapi.json'), 200],
  ] as const) {
    const client = await openRaw(portOf(hasty), { halfOpen: true });
    client.socket.write(bytes);
    await cut(client);
    if (status !== undefined) t.is(parseAnswer(client.received()).status, status);
  }
});

test('a stop refuses new sockets with what tells them to come back', async (t) => {
  const stopping = await sockets.instance();
  const client = await openRaw(portOf(stopping));
  // Begun before, and refused after.
  const bytes = request('/v1/events', UPGRADE);
  client.socket.write(bytes.slice(0, -2));
  await sleep(100);
  const stopped = stopping.lifecycle.stop('test');
  await sleep(20);
  client.socket.write(bytes.slice(-2));
  const { status, headers, body } = parseAnswer(await client.closed);
  t.is(status, 503);
  t.is(headers['retry-after'], '1');
  t.is(JSON.parse(body).code, 'SERVICE_UNAVAILABLE');
  await stopped;
});
