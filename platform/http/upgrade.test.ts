import { setTimeout as sleep } from 'node:timers/promises';
import anyTest from 'ava';
import { until } from '../until.fixture.ts';
import { sendLast } from './answer.ts';
import { answersIn, openRaw, parseAnswer } from './raw-client.fixture.ts';
import { GET, serve } from './server.fixture.ts';
import type { HttpServer } from './server.ts';

// One after the other: clients and servers share this process's time, and some of it is measured.
const test = anyTest.serial;

const UPGRADE = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

test('an upgrade that is refused, not decided or thrown at is closed, whatever its client does', async (t) => {
  const answer = { status: 404, headers: { Connection: 'close' }, body: 'no' };
  const outcomes: NonNullable<HttpServer['upgrade']>[] = [
    async (_, socket) => {
      sendLast(socket, answer);
      return false;
    },
    () => new Promise(() => undefined),
    async () => {
      throw new TypeError('a defect');
    },
    () => {
      throw new TypeError('a defect');
    },
    async () => false,
  ];
  for (const upgrade of outcomes) {
    let closed = 0;
    const { port } = await serve(t, {
      limits: { upgrade: 300 },
      upgrade(request, socket, head) {
        socket.once('close', () => closed++);
        return upgrade(request, socket, head);
      },
    });
    const deaf = await openRaw(port, { halfOpen: true });
    deaf.socket.write(UPGRADE);
    await until(() => closed === 1);
    // A reset in the middle is nobody's defect.
    const gone = await openRaw(port);
    gone.socket.write(UPGRADE);
    await sleep(20);
    gone.socket.resetAndDestroy();
    await until(() => closed === 2);
    deaf.socket.destroy();
  }
  t.pass();
});

test('an upgrade that is taken over is out of every timeout and bound', async (t) => {
  const { port } = await serve(t, {
    limits: { upgrade: 100, silence: 100, idle: 100, headers: 100, request: 100, connections: 1 },
    async upgrade(_, socket) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      socket.on('data', (chunk) => socket.write(chunk));
      return true;
    },
  });
  const client = await openRaw(port);
  client.socket.write(UPGRADE);
  await client.receives((text) => text.includes('101'));
  for (let other = 0; other < 3; other++) await openRaw(port);
  await sleep(400);
  client.socket.write('still here');
  await client.receives((text) => text.includes('still here'));
  client.socket.destroy();
  t.pass();
});

test('without a taker an upgrade is answered like any request, and the connection closed, body or not', async (t) => {
  const { port } = await serve(t, {
    async handle(request, response) {
      let body = '';
      for await (const chunk of request) body += chunk;
      response.end(`read ${body}`);
    },
  });
  for (const [method, body] of [
    ['GET', ''],
    ['POST', 'abc'],
  ] as const) {
    for (const protocol of ['websocket', 'h2c']) {
      const client = await openRaw(port);
      const head = `Host: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
      client.socket.write(`${method} / HTTP/1.1\r\n${head}${body && 'Content-Length: 3\r\n'}\r\n${body}${GET}`);
      const received = await client.closed;
      t.is(answersIn(received), 1);
      t.like(parseAnswer(received), { status: 200, body: `read ${body}` });
      t.is(parseAnswer(received).headers.connection, 'close');
    }
  }
});

test('an upgrade behind a request that is not answered is cut: its answer would come in between', async (t) => {
  let upgrades = 0;
  const { port, handled } = await serve(t, { upgrade: async () => ++upgrades > 0 });
  const { socket, closed } = await openRaw(port);
  socket.write(GET + UPGRADE);
  t.is(await closed, '');
  t.is(handled.length, 1);
  t.is(upgrades, 0);
});
