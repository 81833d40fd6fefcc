import { once } from 'node:events';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import anyTest from 'ava';
import { until } from '../until.fixture.ts';
import { answersIn, openRaw, parseAnswer, type RawClient } from './raw-client.fixture.ts';
import { GET, serve } from './server.fixture.ts';

// One after the other: clients and servers share this process's time, and some of it is measured.
const test = anyTest.serial;

const POST = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1_000)}`;
for (const [what, request, readBody] of [
  ['requests', GET, false],
  ['requests with bodies', POST, false],
  ['requests whose bodies are read', POST, true],
] as const) {
  test(`of ${what} on one connection a few are worked on, and no more are read; all are answered, in their order`, async (t) => {
    const { port, handled } = await serve(t, {
      limits: { inFlight: 3 },
      handle: (request) => void (readBody && request.resume()),
    });
    const client = await openRaw(port);
    const sent = 5_000;
    client.socket.write(request.repeat(sent));
    await until(() => handled.length >= 3);
    await sleep(300);
    t.is(handled.length, 3);
    const { socket } = handled[0]?.request ?? {};
    // Node reads 64 KiB at once.
    t.true((socket?.bytesRead ?? Infinity) <= 3 * 65_536, `${socket?.bytesRead} bytes were read`);

    for (let next = 0; next < sent; next++) {
      while (handled.length === next) await immediate();
      if (handled.length > next + 3) t.fail(`${handled.length} were begun, of which ${next} are answered`);
      handled[next]?.response.end(`number ${next};`);
    }
    const received = await client.receives((text) => text.includes(`number ${sent - 1};`));
    t.deepEqual(
      [...received.matchAll(/number (\d+);/g)].map(([, number]) => Number(number)),
      Array.from({ length: sent }, (_, index) => index),
    );
  });
}

test('what waits for its turn is bounded for all connections together: who brings more is cut', async (t) => {
  const { port, handled, lines } = await serve(t, { limits: { inFlight: 1, waitingInAll: 10 } });
  const patient = await openRaw(port);
  patient.socket.write(GET.repeat(6));
  await until(() => handled.length === 1);
  const greedy = await openRaw(port);
  greedy.socket.write(GET.repeat(8));
  t.is(await greedy.closed, '');
  await until(() => lines.some(({ cut, waiting }) => cut === 1 && waiting === 5));
  const answerAll = async (client: RawClient, number: number): Promise<void> => {
    while (answersIn(client.received()) < number) {
      for (const { response } of handled) if (!response.writableEnded) response.end();
      await sleep(1);
    }
  };
  await answerAll(patient, 6);
  patient.socket.write(GET.repeat(11));
  await answerAll(patient, 17);
  t.pass();
});

test('when a client leaves, every request of it is told, and none of those that wait is begun', async (t) => {
  const { port, handled } = await serve(t, { limits: { inFlight: 4 } });
  const { socket, closed } = await openRaw(port);
  socket.write(GET.repeat(4));
  await until(() => handled.length === 4);
  socket.destroy();
  await closed;
  await until(() => handled.every(({ response }) => response.destroyed && !response.writableFinished));

  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    handled.length = 0;
    const other = await openRaw(port);
    other.socket.write(GET.repeat(80));
    await until(() => handled.length === 4);
    let told = 0;
    for (const { response } of handled) response.once('close', () => told++);
    other.socket[leave]();
    await until(() => told === 4);
    await sleep(20);
    t.is(handled.length, 4, leave);
  }
});

test('a client that does not read its answer is cut, one that reads slowly is not', async (t) => {
  const big = Buffer.alloc(40_000_000, 'x');
  const { port, handled, lines } = await serve(t, { limits: { unread: 400 }, handle: (_, response) => void response.end(big) });
  const deaf = await openRaw(port);
  deaf.socket.pause();
  deaf.socket.write(GET);
  await until(() => handled.length === 1);
  await until(() => handled[0]?.response.destroyed);
  t.false(handled[0]?.response.writableFinished);
  await until(() => lines.some(({ cut }) => cut === 1));

  const parts = await serve(t, {
    limits: { unread: 1_000 },
    async handle(_, response) {
      for (let part = 0; part < 40; part++) if (!response.write(big.subarray(0, 500_000))) await once(response, 'drain');
      response.end();
    },
  });
  const slow = await openRaw(parts.port);
  slow.socket.write(GET);
  let length = 0;
  slow.socket.on('data', (chunk) => {
    length += chunk.length;
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 5);
  });
  await until(() => length > 20_000_000);
  t.true(parts.handled[0]?.response.writableFinished);
});

test('a client that goes on reading, but too slowly, is cut as well', async (t) => {
  const big = Buffer.alloc(40_000_000, 'x');
  const limits = { unread: 60_000, reading: 400 };
  const { port, handled, lines } = await serve(t, { limits, handle: (_, response) => void response.end(big) });
  const slow = await openRaw(port);
  slow.socket.on('data', () => {
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 50);
  });
  slow.socket.write(GET);
  await until(() => handled.length === 1);
  await until(() => handled[0]?.response.destroyed);
  t.false(handled[0]?.response.writableFinished);
  await until(() => lines.some(({ cut }) => cut === 1));
});

for (const [what, bytes] of [
  ['send no request', ''],
  ['do not send their requests to the end', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx'],
  ['do not read their answers', GET],
] as const) {
  test(`who holds all connections of which many ${what} keeps nobody else out`, async (t) => {
    const big = Buffer.alloc(10_000_000, 'x');
    const { port, handled } = await serve(t, {
      limits: { connections: 5 },
      handle: (request, response) => void (request.method === 'GET' && response.end(request.url === '/' ? big : 'fine')),
    });
    const flood = () => openRaw(port, { from: '127.0.0.2' });
    const greedy: RawClient[] = [];
    while (greedy.length < 5) {
      const client = await flood();
      client.socket.pause();
      client.socket.write(bytes);
      greedy.push(client);
      if (bytes !== '') await until(() => handled.length === greedy.length);
    }
    const ask = async (client: RawClient, times: number): Promise<void> => {
      client.socket.write('GET /small HTTP/1.1\r\nHost: x\r\n\r\n');
      await client.receives((text) => answersIn(text) === times);
    };
    const other = await openRaw(port);
    await ask(other, 1);
    // More of the same takes only of its own share.
    for (let more = 0; more < 10; more++) {
      const client = await flood();
      client.socket.pause();
      client.socket.write(bytes);
    }
    const third = await openRaw(port, { from: '127.0.0.3' });
    await ask(third, 1);
    await ask(other, 2);
    for (const client of greedy) client.socket.destroy();
    t.pass();
  });
}

test('of too many connections the one that is idle the longest is cut; if none is, the new one is', async (t) => {
  const { port, handled } = await serve(t, { limits: { connections: 3 } });
  const busy = await openRaw(port);
  busy.socket.write(GET);
  await until(() => handled.length === 1);
  const idle = await openRaw(port);
  const used = await openRaw(port);
  used.socket.write(GET);
  await until(() => handled.length === 2);
  handled[1]?.response.end();
  await used.receives((text) => answersIn(text) === 1);

  const second = await openRaw(port);
  await idle.closed;
  second.socket.write(GET);
  await until(() => handled.length === 3);
  const third = await openRaw(port);
  await used.closed;
  third.socket.write(GET);
  await until(() => handled.length === 4);
  const refused = await openRaw(port);
  t.is(await refused.closed, '');
  for (const { response } of handled) response.end();
  for (const client of [busy, second, third]) await client.receives((text) => answersIn(text) === 1);
  t.pass();
});

test('a defect is logged and ends the connection, and nothing else', async (t) => {
  let defect: () => unknown = () => undefined;
  const { port, lines } = await serve(t, { handle: () => defect() });
  for (const [index, one] of [
    () => {
      throw new TypeError('a defect');
    },
    async () => {
      throw new TypeError('a defect');
    },
  ].entries()) {
    defect = one;
    const client = await openRaw(port);
    client.socket.write(GET);
    t.is(await client.closed, '');
    t.is(lines.filter(({ msg }) => msg === 'a defect: a request to the test server was not answered').length, index + 1);
  }
});

test('a connection on which nothing moves is closed, whether it has a request or not', async (t) => {
  const limits = { silence: 200, idle: 100, headers: 60_000, request: 60_000 };
  const { port } = await serve(t, { limits });
  const unanswered = await openRaw(port);
  unanswered.socket.write(GET);
  t.is(await unanswered.closed, '');

  const idles = { ...limits, silence: 60_000, idle: 1_000 };
  const answering = await serve(t, { limits: idles, handle: (_, response) => void response.end() });
  const idle = await openRaw(answering.port);
  idle.socket.write(GET);
  t.is(parseAnswer(await idle.closed).headers['keep-alive'], 'timeout=1');
});

test('who is told that nothing more is read, and stays, is cut', async (t) => {
  const { port } = await serve(t);
  const { socket, receives, closed } = await openRaw(port, { halfOpen: true });
  socket.write('NONSENSE\r\n\r\n');
  await receives((text) => answersIn(text) === 1);
  // To a connection that is no more, which this shows.
  const more = setInterval(() => socket.write('x'), 50);
  await closed;
  clearInterval(more);
  t.pass();
});

test('a stop ends when the last request is answered, not when its time is over', async (t) => {
  const { port, handled, lifecycle, lines } = await serve(t, { limits: { drain: 60_000 } });
  const { socket, closed } = await openRaw(port);
  socket.write(GET);
  await until(() => handled.length === 1);
  const stopped = lifecycle.stop('test');
  await sleep(100);
  handled[0]?.response.end('fine');
  t.regex(await closed, /fine$/);
  await stopped;
  t.false(lines.some(({ msg }) => msg === 'did not stop in order'));
});
