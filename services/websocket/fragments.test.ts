import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { CLOSE, LIMITS, MAX_FRAGMENTS, MAX_PIECES } from './domain.ts';
import { atOnce } from './peers.fixture.ts';
import { fragments, frame, RawClient } from './raw.fixture.ts';
import { openTestSockets, type TestSockets } from './socket.fixture.ts';

// What is legal in the protocol and costs more here than there: written byte by byte, as no client library would.

let sockets: TestSockets;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
});
test.after.always(() => sockets?.close());

let members = 0;
const token = (): string => sockets.token(`m${++members}`);
const PING = JSON.stringify({ type: 'ping' });
const pieces = (text: string, count: number): string[] => [
  ...text.slice(0, count - 1),
  ...(text.length < count - 1 ? Array<string>(count - 1 - text.length).fill('') : []),
  text.slice(count - 1),
];

test('a message may come in so many fragments, whatever is in them, and not in more', async (t) => {
  const { url } = await sockets.instance();
  for (const known of [true, false]) {
    const text = known ? PING : JSON.stringify({ type: 'auth', token: token() });
    const good = await RawClient.open(url, known ? token() : undefined);
    good.socket.write(fragments(pieces(text, MAX_FRAGMENTS)));
    good.socket.write(frame(PING));
    await good.until(() => good.texts.length === (known ? 2 : 1));
    good.socket.destroy();
    // One after the other, all at once, and empty ones.
    for (const [bad, apart] of [
      [pieces(text, MAX_FRAGMENTS + 1), false],
      [pieces(text, MAX_FRAGMENTS + 1), true],
      [['', ...Array<string>(2_000).fill(''), text], false],
    ] as const) {
      const client = await RawClient.open(url, known ? token() : undefined);
      if (apart)
        for (const [at, piece] of bad.entries()) client.socket.write(frame(piece, { opcode: at === 0 ? 1 : 0, last: false }));
      else client.socket.write(fragments(bad));
      await client.until(() => client.closed || client.ended);
      t.is(client.code, CLOSE.unfinished);
      t.deepEqual(client.texts, []);
      client.socket.destroy();
    }
  }
});

test('a frame may come in so many pieces of the network, and not in more', async (t) => {
  const { url } = await sockets.instance({ limits: { messageMs: 60_000 } });
  const client = await RawClient.open(url, token());
  client.socket.setNoDelay(true);
  const large = frame(`{"type":"ping"}${' '.repeat(20_000)}`);
  /** Byte by byte; what the network puts together counts as one piece. */
  const send = async (count: number): Promise<void> => {
    for (let at = 0; at < count && client.code === undefined; at++) {
      client.socket.write(large.subarray(at, at + 1));
      await sleep(1);
    }
  };
  await send(MAX_PIECES / 2);
  client.socket.write(large.subarray(MAX_PIECES / 2));
  await client.until(() => client.texts.length === 1);
  await send(large.length);
  t.is(client.code, CLOSE.unfinished);
  t.is(client.texts.length, 1);
  client.socket.destroy();
});

test('a message that has begun must come to its end in time; what comes between its fragments is no end', async (t) => {
  const { url } = await sockets.instance({ limits: { messageMs: 2_000, goodbyeMs: 500 } });
  const [begun, ping] = [frame('{', { last: false }), frame('', { opcode: 9 })];
  const cases: Record<string, (client: RawClient) => unknown> = {
    'a fragment': ({ socket }) => socket.write(begun),
    'half a frame': ({ socket }) => socket.write(frame(PING).subarray(0, 9)),
    'one byte of a frame': ({ socket }) => socket.write(frame(PING).subarray(0, 1)),
    'half a control frame': ({ socket }) => socket.write(frame('abc', { opcode: 9 }).subarray(0, 4)),
    'a message, and the beginning of the next': ({ socket }) => socket.write(Buffer.concat([frame(PING), begun])),
    'pings between fragments': ({ socket }) => {
      socket.write(begun);
      const more = setInterval(() => socket.write(Buffer.concat([ping, frame(' ', { opcode: 0, last: false })])), 200);
      socket.on('close', () => clearInterval(more));
    },
  };
  await Promise.all(
    Object.entries(cases).map(async ([what, send]) => {
      const client = await RawClient.open(url, token());
      const sent = performance.now();
      send(client);
      await client.until(() => client.code !== undefined);
      t.true(performance.now() - sent > 1_900, what);
      t.is(client.code, CLOSE.unfinished, what);
      await client.cut();
    }),
  );
  // Who is slow, but comes to the end each time, stays; and so does who says nothing.
  const [slow, silent] = [await RawClient.open(url, token()), await RawClient.open(url, token())];
  let rest: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 8; i++) {
    const next = frame(PING);
    slow.socket.write(Buffer.concat([rest, next.subarray(0, 3)]));
    rest = next.subarray(3);
    await sleep(350);
  }
  slow.socket.write(rest);
  await slow.until(() => slow.texts.length === 8);
  t.deepEqual([slow.code, silent.code], [undefined, undefined]);
});

test.serial('the rest of a message is not waited for while its client is not read', async (t) => {
  const { url } = await sockets.instance({ limits: { messageMs: 500 } });
  const client = await RawClient.open(url, token());
  const { promise, resolve } = Promise.withResolvers<void>();
  sockets.before.job = () => promise;
  const subscribe = frame(JSON.stringify({ type: 'subscribe', topics: ['job:1'] }));
  client.socket.write(Buffer.concat([subscribe, frame(PING).subarray(0, 8)]));
  await sleep(1_500);
  t.is(client.code, undefined);
  sockets.before = atOnce();
  resolve();
  await client.until(() => client.texts.length === 2);
  // From now on it is.
  await client.until(() => client.code === CLOSE.unfinished);
  client.socket.destroy();
});

test('who says only what the protocol has for itself is held to the frames of a second, too', async (t) => {
  const { url } = await sockets.instance({ limits: { framesPerSecond: 20 } });
  for (const [opcode, known] of [
    [9, true],
    [10, true],
    [9, false],
  ] as const) {
    const client = await RawClient.open(url, known ? token() : undefined);
    client.socket.write(Buffer.concat(Array<Buffer>(15).fill(frame('x'.repeat(125), { opcode }))));
    await sleep(100);
    t.is(client.code, undefined);
    client.socket.write(Buffer.concat(Array<Buffer>(30).fill(frame('', { opcode }))));
    await client.until(() => client.code !== undefined);
    t.is(client.code, CLOSE.tooMany);
    client.socket.destroy();
  }
});

test('a stranger has so many bytes and so much time to say who it is, whatever it sends', async (t) => {
  const limits = { authMs: 700, unauthenticatedGoodbyeMs: 300, goodbyeMs: 60_000, framesPerSecond: 10_000 };
  const { url } = await sockets.instance({ limits });
  const patient = await sockets.instance({ limits: { ...limits, authMs: 60_000 } });
  const large = await RawClient.open(patient.url);
  const auth = frame(JSON.stringify({ type: 'auth', token: 'x'.repeat(60_000) }));
  large.socket.write(auth.subarray(0, LIMITS.unauthenticatedBytes));
  await sleep(300);
  t.is(large.code, undefined);
  large.socket.write(auth.subarray(LIMITS.unauthenticatedBytes, -1));
  await large.until(() => large.code !== undefined);
  t.is(large.code, CLOSE.unauthenticated);

  // One that broke a rule of the protocol has no more time than others.
  const rude = await RawClient.open(patient.url);
  rude.socket.write(fragments(pieces(PING, MAX_FRAGMENTS + 1)));
  await rude.cut();

  const busy = await RawClient.open(url);
  const more = setInterval(() => busy.socket.write(frame('', { opcode: 9 })), 20);
  await busy.until(() => busy.code !== undefined);
  t.is(busy.code, CLOSE.unauthenticated);
  clearInterval(more);
  // It goes on as if nobody had said so.
  await Promise.all([busy.cut(), large.cut()]);

  const known = await RawClient.open(patient.url, token());
  known.socket.write(frame(JSON.stringify({ type: 'ping', x: 'x'.repeat(LIMITS.unauthenticatedBytes) })));
  known.socket.write(frame(PING));
  await known.until(() => known.texts.length === 2);
  t.is(known.code, undefined);
  known.socket.destroy();
});

test.serial('a client whose token Auth takes long to look at is told to try again, not that the token is wrong', async (t) => {
  const { url } = await sockets.instance({ limits: { authMs: 1_000 } });
  const { promise, resolve } = Promise.withResolvers<void>();
  sockets.before.auth = () => promise;
  const client = await TestClient.open(url);
  client.send({ type: 'auth', token: token() });
  t.is(await client.closeCode(), CLOSE.tryAgainLater);
  resolve();
  sockets.before = atOnce();
});

test('who says goodbye and stays is cut, and so is who broke the protocol, or closed one side only', async (t) => {
  const { url } = await sockets.instance({ limits: { goodbyeMs: 400 } });
  for (const send of [frame(Buffer.from([0x03, 0xe8]), { opcode: 8 }), Buffer.from([0xff, 0xff])]) {
    const client = await RawClient.open(url, token());
    client.socket.write(send);
    await client.until(() => client.code !== undefined);
    await client.cut();
  }
  const half = await RawClient.open((await sockets.instance({ limits: { pingMs: 500 } })).url, token());
  half.socket.end();
  await half.until(() => half.closed);
  t.pass();
});
