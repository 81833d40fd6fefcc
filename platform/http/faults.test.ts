import test from 'ava';
import { pino } from 'pino';
import { Lifecycle } from '../process/lifecycle.ts';
import { answersIn, openRaw, parseAnswer } from './raw-client.fixture.ts';
import { HTTP_LIMITS, serveHttp } from './server.ts';

// Each of these is a request that no client library would send.

const request = (target: string, { method = 'GET', headers = 'Host: x', version = '1.1', body = '' } = {}): string =>
  `${method} ${target} HTTP/${version}\r\n${headers ? `${headers}\r\n` : ''}\r\n${body}`;
const chunked = (chunks: string, headers = 'Host: x\r\nTransfer-Encoding: chunked'): string =>
  request('/', { method: 'POST', headers, body: chunks });

/** What is refused, with its status and code. */
const REFUSED: Record<string, [bytes: string, status: number, code: string]> = {
  'no Host': [request('/', { headers: '' }), 400, 'MALFORMED_REQUEST'],
  'two Hosts': [request('/', { headers: 'Host: x\r\nHost: y' }), 400, 'MALFORMED_REQUEST'],
  'two Hosts that are the same': [request('/', { headers: 'host: x\r\nHOST: x' }), 400, 'MALFORMED_REQUEST'],
  'two Hosts in HTTP/1.0': [request('/', { headers: 'Host: x\r\nHost: y', version: '1.0' }), 400, 'MALFORMED_REQUEST'],
  'a Host that is none': [request('/', { headers: 'Host: a b' }), 400, 'MALFORMED_REQUEST'],
  'a Host with a path': [request('/', { headers: 'Host: x/y' }), 400, 'MALFORMED_REQUEST'],
  'a Host with a user': [request('/', { headers: 'Host: user@x' }), 400, 'MALFORMED_REQUEST'],
  'an absolute target that does not end': [request('http://[::1/'), 400, 'MALFORMED_REQUEST'],
  'an absolute target of another scheme': [request('ftp://x/'), 400, 'MALFORMED_REQUEST'],
  'an absolute target with a user': [request('http://user@x/'), 400, 'MALFORMED_REQUEST'],
  'an absolute target without a host': [request('http:///'), 400, 'MALFORMED_REQUEST'],
  'a target without a slash': [request('v1/members'), 400, 'MALFORMED_REQUEST'],
  'a target that is a query': [request('?a=b'), 400, 'MALFORMED_REQUEST'],
  'a target with a fragment': [request('/a#b'), 400, 'MALFORMED_REQUEST'],
  'a target with a space': [request('/a b'), 400, 'MALFORMED_REQUEST'],
  'a target of bytes beyond ASCII': [request('/\xe9'), 400, 'MALFORMED_REQUEST'],
  'an asterisk for a GET': [request('*'), 400, 'MALFORMED_REQUEST'],
  'a path that can not be decoded': [request('/v1/members/%E0%A4%A'), 400, 'MALFORMED_REQUEST'],
  'a path whose bytes are no UTF-8': [request('/%ff'), 400, 'MALFORMED_REQUEST'],
  'a path with a NUL': [request('/v1/%00'), 400, 'MALFORMED_REQUEST'],
  'a path with a line break': [request('/v1/%0d%0a'), 400, 'MALFORMED_REQUEST'],
  'a query that can not be decoded': [request('/?a=%'), 400, 'MALFORMED_REQUEST'],
  'a target that is too long': [request(`/${'a'.repeat(8_000)}`), 414, 'URI_TOO_LONG'],
  'a head that is too large': [request('/', { headers: `Host: x\r\nX: ${'x'.repeat(200_000)}` }), 431, 'HEADERS_TOO_LARGE'],
  'a head of too many headers': [request('/', { headers: `Host: x${'\r\na: b'.repeat(5_000)}` }), 431, 'HEADERS_TOO_LARGE'],
  'an expectation': [request('/', { headers: 'Host: x\r\nExpect: something' }), 417, 'EXPECTATION_FAILED'],
  'an expectation with a fault': [request('/', { headers: 'Expect: something' }), 400, 'MALFORMED_REQUEST'],
  'HTTP/0.9': ['GET /\r\n\r\n', 505, 'HTTP_VERSION_NOT_SUPPORTED'],
  'HTTP/1.2': [request('/', { version: '1.2' }), 505, 'HTTP_VERSION_NOT_SUPPORTED'],
  'HTTP/2.0': [request('/', { version: '2.0' }), 505, 'HTTP_VERSION_NOT_SUPPORTED'],
  'HTTP/2 with prior knowledge': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'HTTP_VERSION_NOT_SUPPORTED'],
  'two framings': [chunked('0\r\n\r\n', 'Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked'), 400, 'MALFORMED_REQUEST'],
  'two lengths': [chunked('abcd', 'Host: x\r\nContent-Length: 3\r\nContent-Length: 4'), 400, 'MALFORMED_REQUEST'],
  'a negative length': [chunked('abc', 'Host: x\r\nContent-Length: -3'), 400, 'MALFORMED_REQUEST'],
  'a coding that is not read': [chunked('0\r\n\r\n', 'Host: x\r\nTransfer-Encoding: gzip, chunked'), 400, 'MALFORMED_REQUEST'],
  'chunks in HTTP/1.0': [
    request('/', { method: 'POST', headers: 'Host: x\r\nTransfer-Encoding: chunked', version: '1.0', body: '0\r\n\r\n' }),
    400,
    'MALFORMED_REQUEST',
  ],
  'a chunk without a size': [chunked('zz\r\n'), 400, 'MALFORMED_REQUEST'],
  'a chunk with a long extension': [chunked(`1;${'a'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`), 400, 'MALFORMED_REQUEST'],
  'trailers that are too large': [chunked(`0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`), 431, 'HEADERS_TOO_LARGE'],
  'line feeds alone': ['GET / HTTP/1.1\nHost: x\n\n', 400, 'MALFORMED_REQUEST'],
  'a folded header': [request('/', { headers: 'Host: x\r\nA: b\r\n c' }), 400, 'MALFORMED_REQUEST'],
  'a header name with a space': [request('/', { headers: 'Host: x\r\nA b: c' }), 400, 'MALFORMED_REQUEST'],
  'a method that is none': [request('/', { method: 'FOO' }), 400, 'MALFORMED_REQUEST'],
  TLS: ['\x16\x03\x01\x02\x00\x01\x00\x01', 400, 'MALFORMED_REQUEST'],
  'a proxy request': ['CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
};

const lifecycle = new Lifecycle(pino({ level: 'silent' }), 5_000);
const refused: string[] = [];
const targets: string[] = [];
let port = 0;
test.before(async () => {
  port = await serveHttp({
    name: 'test server',
    listen: { host: '127.0.0.1', port: 0 },
    lifecycle,
    log: pino({ level: 'silent' }),
    limits: { headers: 1_000, request: 1_000, check: 50, drain: 0 },
    async handle(request, response) {
      targets.push(`${request.headers.host} ${request.url}`);
      for await (const _ of request);
      response.end('fine');
    },
    refused: ({ traceId }) => refused.push(traceId),
  });
});
test.after.always(() => lifecycle.stop('test'));

for (const [what, [bytes, status, code]] of Object.entries(REFUSED)) {
  test(`${what}: ${status} ${code}, as a problem, once, and the connection is closed`, async (t) => {
    const { socket, closed } = await openRaw(port);
    // Nothing that follows is taken for a request.
    socket.write(Buffer.from(`${bytes}${request('/smuggled')}`, 'latin1'));
    const received = await closed;
    t.is(answersIn(received), 1, received);
    t.false(targets.some((target) => target.includes('smuggled')));
    const answer = parseAnswer(received);
    t.is(answer.status, status);
    t.like(answer.headers, {
      'content-type': 'application/problem+json',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      connection: 'close',
    });
    t.truthy(answer.headers.date);
    const problem = JSON.parse(answer.body);
    t.like(problem, { type: `/problems/${code}`, status, code, errors: [] });
    // Who handles what was begun hears of it.
    if (!/chunk|trailers/.test(what) || /HTTP\/1.0/.test(what)) t.is(refused.filter((id) => id === problem.traceId).length, 1);
    t.is(answer.headers.allow, status === 405 ? '' : undefined);
  });
}

test('of a path with control characters it is said that it has them', async (t) => {
  const detailOf = async (path: string) => {
    const { socket, closed } = await openRaw(port);
    socket.write(request(path));
    return JSON.parse(parseAnswer(await closed).body).detail;
  };
  t.is(await detailOf('/v1/%00'), 'The path must not have control characters.');
  t.is(await detailOf('/v1/%ff'), 'The target has a percent-encoding that can not be decoded.');
});

/** What is taken, and what it is a request for. */
const TAKEN: Record<string, [bytes: string, target: string]> = {
  'a path with two slashes': [request('//evil/path?a=b'), 'x //evil/path?a=b'],
  'an encoded slash': [request('/v1/members/a%2Fb'), 'x /v1/members/a%2Fb'],
  'a path with dots': [request('/v1/../docs'), 'x /v1/../docs'],
  'an absolute target': [request('http://other:81/a?b'), 'other:81 /a?b'],
  'an absolute target without a path': [request('HTTP://other'), 'other /'],
  'an absolute target with only a query': [request('https://[::1]?b'), '[::1] /?b'],
  'an asterisk for OPTIONS': [request('*', { method: 'OPTIONS' }), 'x *'],
  'an empty Host': [request('/empty', { headers: 'Host:' }), ' /empty'],
  'no Host in HTTP/1.0': [request('/old', { headers: '', version: '1.0' }), 'undefined /old'],
  'an expectation that can be met': [
    request('/expected', { method: 'POST', headers: 'Host: x\r\nContent-Length: 1\r\nExpect: 100-continue', body: 'x' }),
    'x /expected',
  ],
  'a query with a control character, for the schema to refuse': [request('/?a=%00'), 'x /?a=%00'],
  'a long target': [request(`/${'b'.repeat(7_999)}`), `x /${'b'.repeat(7_999)}`],
};
for (const [what, [bytes, target]] of Object.entries(TAKEN)) {
  test(`${what} is taken`, async (t) => {
    const { socket, receives } = await openRaw(port);
    socket.write(bytes);
    t.regex(await receives((text) => text.endsWith('fine') || text.includes('problem+json')), /fine$/);
    t.true(targets.includes(target), targets.join('\n'));
    socket.destroy();
  });
}

test.serial('a connection that was opened for later and not used is closed without a word', async (t) => {
  const before = refused.length;
  const { closed } = await openRaw(port);
  t.is(await closed, '');
  t.is(refused.length, before);
});

test('a head or a body that trickles is cut off in time, however much comes', async (t) => {
  for (const [start, part] of [
    ['GET / HTTP/1.1\r\nHost: x\r\n', 'a: b\r\n'],
    ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n', 'x'],
  ] as const) {
    const { socket, closed } = await openRaw(port);
    socket.write(start);
    const trickle = setInterval(() => socket.write(part), 50);
    const received = await closed;
    clearInterval(trickle);
    t.is(parseAnswer(received).status, 408, received);
  }
  t.true(HTTP_LIMITS.headers <= 10_000 && HTTP_LIMITS.request <= 20_000);
});
