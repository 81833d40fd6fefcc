import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { until } from '../until.fixture.ts';
import { CONNECTION_AGE_MS, RenewedClient } from './renewed-client.ts';

/** A server that answers calls when it is told to. */
async function serve(t: ExecutionContext) {
  const [sessions, calls]: [ServerHttp2Session[], ServerHttp2Stream[]] = [[], []];
  const server = createServer();
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream) => calls.push(stream));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const answer = async (at: number): Promise<ServerHttp2Session> => {
    await until(() => calls.length > at, 'the call is there');
    const call = calls[at] as ServerHttp2Stream;
    call.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    call.on('wantTrailers', () => call.sendTrailers({ 'grpc-status': '0' }));
    // A message of no bytes.
    call.end(Buffer.alloc(5));
    return call.session as ServerHttp2Session;
  };
  return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, sessions, answer };
}

function call(clients: RenewedClient): Promise<Buffer> {
  const { client, end } = clients.begin();
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) => {
    const told = (error: ServiceError | null, answer?: Buffer): void => {
      end();
      if (error) reject(error);
      else resolve(answer as Buffer);
    };
    client.makeUnaryRequest('/a/b', same, same, Buffer.alloc(0), new Metadata(), { deadline: Date.now() + 60_000 }, told);
  });
}

test('a connection is used for its time, by all clients of its target; then calls go over another one, and those on the old one get their answers', async (t) => {
  const { target, sessions, answer } = await serve(t);
  let now = 0;
  const clients = [1, 2].map(() => new RenewedClient(target, {}, () => now)) as [RenewedClient, RenewedClient];
  t.teardown(() => {
    for (const one of clients) one.close();
  });
  const [first, second] = clients.map(call);
  const session = await answer(0);
  await first;
  now = CONNECTION_AGE_MS - 1;
  const third = call(clients[0]);
  t.is(await answer(2), session);
  await third;
  now = CONNECTION_AGE_MS;
  const fourth = call(clients[0]);
  const other = await answer(3);
  t.not(other, session);
  await fourth;
  const fifth = call(clients[1]);
  t.is(await answer(4), other);
  await fifth;
  t.false(session.closed, 'one of its calls is under way');
  t.is(await answer(1), session);
  await second;
  await until(() => session.destroyed, 'nobody uses it any more');
  t.is(sessions.length, 2);
});

/** A client, whose connection comes of age when that is said. */
async function connect(t: ExecutionContext) {
  const { target, answer } = await serve(t);
  let now = 0;
  const clients = new RenewedClient(target, {}, () => now);
  t.teardown(() => clients.close());
  const age = (): void => {
    now = CONNECTION_AGE_MS;
  };
  return { answer, clients, age };
}

test('what waits for its connection when that is renewed gets its answer all the same', async (t) => {
  const { answer, clients, age } = await connect(t);
  const waits = call(clients);
  age();
  const next = call(clients);
  await Promise.all([answer(0), answer(1), waits, next]);
  t.pass();
});

test('one that nobody uses any more is closed as another one takes its place', async (t) => {
  const { answer, clients, age } = await connect(t);
  const first = call(clients);
  const session = await answer(0);
  await first;
  age();
  const next = call(clients);
  await answer(1);
  await next;
  await until(() => session.destroyed, 'the old one is closed');
  t.pass();
});

test('a call that is said to be over twice is over once: the others on its connection get their answers', async (t) => {
  const { answer, clients, age } = await connect(t);
  const { end } = clients.begin();
  end();
  end();
  const waits = call(clients);
  age();
  const next = call(clients);
  await Promise.all([answer(0), answer(1), waits, next]);
  t.pass();
});

test('once it is closed whoever calls is refused, and nothing is opened any more', async (t) => {
  const { target, sessions } = await serve(t);
  let now = 0;
  const clients = new RenewedClient(target, {}, () => now);
  clients.close();
  now = CONNECTION_AGE_MS;
  await t.throwsAsync(async () => await call(clients));
  clients.close();
  t.is(sessions.length, 0);
  const open = new RenewedClient(target, {}, () => now);
  const waits = call(open);
  open.close();
  t.like(await t.throwsAsync<Error & { code: number }>(waits), { code: status.UNAVAILABLE });
});
