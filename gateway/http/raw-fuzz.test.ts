import { METHODS } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { openRaw } from '#platform/http/raw-client.fixture.ts';
import { isProblemCode } from '#platform/problems.ts';
import { startWorld } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';
import { httpStatusOf } from './problem.ts';

// What no client library would send: bytes, targets and headers as they come. `fuzz.test.ts` sends what one would.

/** Mostly the first. */
const mostly = <T>(first: fc.Arbitrary<T>, ...others: fc.Arbitrary<T>[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9 * others.length, arbitrary: first }, ...others);
const oneOf = (text: string): fc.Arbitrary<string> => fc.constantFrom(...text.split(' '));

const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 60 });
const printable = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) });
const odd = fc.oneof(bytes, oneOf('% %00 %2F %2e %ff # ? // .. : [ \\ \r\n \0'));
/** A text in which something else stands in place of a piece. */
const broken = (whole: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(whole, fc.nat(), fc.nat(3), odd).map(([text, at, length, instead]) => {
    const start = at % (text.length + 1);
    return text.slice(0, start) + instead + text.slice(start + length);
  });

const route = fc.constantFrom(...allRoutes());
const path = route.map((one) => one.path.replaceAll(/\{\w+\}/g, '0199a0a0-0000-7000-8000-000000000000'));
const target = fc.oneof(
  { weight: 6, arbitrary: path },
  broken(path),
  printable.map((text) => `/${text}`),
  oneOf('* / // http:// http://[::1/ http://[::1]:99999/ http://x:y@z/ x:443 /%E0%A4%A /?% HTTP://x?a http://x#y ftp://x/'),
  fc.tuple(oneOf('http:// https:// //'), fc.oneof(printable, fc.domain()), path).map((parts) => parts.join('')),
  fc.nat(20_000).map((length) => `/${'a'.repeat(length)}`),
);
const name = oneOf(
  'Host Expect Upgrade Connection Content-Length Transfer-Encoding Content-Type Content-Encoding Accept Accept-Encoding ' +
    'Authorization Origin Access-Control-Request-Method If-Match If-None-Match Idempotency-Key Prefer traceparent tracestate ' +
    'X-Request-Id X-Forwarded-For Cookie Range Trailer TE __proto__ constructor',
);
const value = mostly(
  oneOf(
    'x chunked close keep-alive upgrade websocket 100-continue 0 3 -1 99999999999999999999 gzip application/json wait=1 "1" * ' +
      '127.0.0.1,[::1]:5,1.2.3.4:5 fe80::1%eth0,::ffff:1.2.3.4 ::,::: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ),
  printable,
  bytes,
);
const headers = fc.array(fc.tuple(mostly(name, bytes), value), { maxLength: 3 });
const whole = fc
  .tuple(
    mostly(fc.constantFrom(...METHODS, ...Array<string>(40).fill('GET'), ...Array<string>(40).fill('POST')), bytes),
    target,
    mostly(fc.constant('HTTP/1.1'), oneOf('HTTP/1.0 HTTP/0.9 HTTP/2.0 HTTP/1.11 HTTP')),
    mostly(fc.constant('Host: x\r\n'), fc.constant('')),
    headers,
    fc.oneof(
      { weight: 4, arbitrary: fc.constant('') },
      bytes,
      fc.json({ maxDepth: 2 }).map((json) => `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`),
    ),
  )
  .map(([method, where, version, host, lines, rest]) => {
    const head = lines.map(([key, said]) => `${key}: ${said}\r\n`).join('');
    return `${method} ${where} ${version}\r\n${host}${head}${rest.startsWith('Content-Length') ? '' : '\r\n'}${rest}`;
  });
const request = fc.oneof(
  { weight: 6, arbitrary: whole },
  broken(whole),
  bytes,
  fc.array(whole, { maxLength: 5 }).map((all) => all.join('')),
);

/** With its status and its code. */
const PROBLEM = /problem\+json\r\n[^{]*\{[^{}]*"status":(\d+),"detail":"(?:[^"\\]|\\.)*","code":"(\w+)"/g;

test('whatever bytes come, what is answered is no defect, and no promise is left alone', async (t) => {
  const limits = { headers: 150, request: 150, check: 20 };
  const world = await startWorld({ origins: ['https://x'], proxies: ['127.0.0.1'], limits });
  const port = Number(new URL(world.base).port);
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  const codes = new Set<string>();
  try {
    await fc.assert(
      fc.asyncProperty(request, fc.array(fc.nat(), { maxLength: 2 }), async (text, cuts) => {
        const { socket, closed } = await openRaw(port);
        // In pieces, as networks bring it.
        const ends = [...cuts.map((at) => at % (text.length + 1)), text.length].sort((a, b) => a - b);
        for (const [index, end] of ends.entries()) {
          socket.write(Buffer.from(text.slice(ends[index - 1] ?? 0, end), 'latin1'));
          await setImmediate();
        }
        // If the last request is whole, this one ends the connection; else the time does that requests have.
        socket.write('GET /v1/end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        const received = await closed;
        for (const [, status] of received.matchAll(/HTTP\/1\.1 (\d{3}) /g))
          if (Number(status) >= 500 && status !== '505') throw new Error(received);
        for (const [, status, code = ''] of received.matchAll(PROBLEM)) {
          if (!isProblemCode(code) || httpStatusOf(code) !== Number(status)) throw new Error(received);
          codes.add(code);
        }
      }),
      { numRuns: 1_500 },
    );
    await setImmediate();
    t.deepEqual(unhandled, []);
    t.deepEqual(
      world.lines.filter(({ level }) => Number(level) >= 50),
      [],
    );
    // Else it was not that which was sent.
    for (const code of ['MALFORMED_REQUEST', 'ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED', 'TOKEN_MISSING', 'URI_TOO_LONG'])
      t.true(codes.has(code), `${code} was not answered once`);
    t.is((await fetch(`${world.base}/docs`)).status, 200);
  } finally {
    process.off('unhandledRejection', onUnhandled);
    await world.close();
  }
});
