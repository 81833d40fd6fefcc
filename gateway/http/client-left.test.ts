import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions } from '#platform/grpc/client.ts';
import { send } from '../client.fixture.ts';
import { type World, worldTest } from '../gateway.fixture.ts';

const test = worldTest();

type Method = (request: unknown, options?: CallOptions) => Promise<unknown>;
type PeerName = 'auth' | 'job' | 'query';

/** Sees every call of a peer before it is made. */
function observe(
  world: World,
  peer: PeerName,
  see: (method: string, options: CallOptions, call: () => Promise<unknown>) => Promise<unknown>,
) {
  const methods = Object.entries(world.gateway[peer] as unknown as Record<string, Method>).map(
    ([name, call]): [string, Method] => [name, (request, options = {}) => see(name, options, () => call(request, options))],
  );
  Object.assign(world.gateway, { [peer]: Object.fromEntries(methods) });
}

async function open(world: World): Promise<Socket> {
  const socket = connect(Number(new URL(world.base).port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

const request = (method: string, path: string, body: string, headers: Record<string, string> = {}): string =>
  [
    `${method} ${path} HTTP/1.1`,
    'Host: musubi',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n');

async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !holds(); i++) await sleep(20);
}

test('what only reads or waits ends with its client, and what changes something does not', async (t) => {
  const { context: world } = t;
  const bound = new Map<string, boolean>();
  for (const peer of ['auth', 'job', 'query'] as const) {
    observe(world, peer, (method, { signal }, call) => {
      bound.set(method, (bound.get(method) ?? true) && signal !== undefined);
      return call();
    });
  }
  const as = { token: world.admin };
  const member = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };
  const { body } = await send(world, 'POST', '/v1/members', { ...as, body: member, headers: { prefer: 'wait=1' } });
  const [jobId = ''] = world.jobs.keys();
  world.next = 'running';
  await send(world, 'PATCH', `/v1/members/${body.id}`, {
    ...as,
    body: { displayName: 'x' },
    headers: { prefer: 'wait=1' },
  });
  await send(world, 'GET', '/v1/members', as);
  await send(world, 'GET', `/v1/members/${body.id}`, as);
  await send(world, 'GET', '/v1/jobs', as);
  await send(world, 'GET', `/v1/jobs/${jobId}`, as);
  await send(world, 'POST', '/v1/auth/check', {
    ...as,
    body: { checks: [{ action: 'job.read', resource: { type: 'Job', id: jobId } }] },
  });
  await send(world, 'POST', '/v1/auth/login', { body: { loginId: 'hana', password: 'correct horse' } });
  await send(world, 'POST', '/v1/auth/refresh', { body: { refreshToken: 'refresh' } });
  await send(world, 'POST', '/v1/auth/logout', as);
  await send(world, 'GET', '/v1/auth/sessions', as);
  await send(world, 'DELETE', `/v1/auth/sessions/${world.sessionId}`, as);
  await send(world, 'GET', '/.well-known/jwks.json');
  const named = (ends: boolean) => [...bound].flatMap(([method, its]) => (its === ends ? [method] : [])).sort();
  t.deepEqual(named(false), ['endSession', 'issueJob', 'logout', 'refresh']);
  t.deepEqual(named(true), [
    ...[
      'authorize',
      'awaitJob',
      'check',
      'getJob',
      'getJobOwners',
      'getJwks',
      'getMember',
      'listJobs',
      'listMembers',
      'listSessions',
      'login',
      'stagePassword',
    ],
  ]);
});

test('logins of a client that left end, also those that wait behind others on its connection', async (t) => {
  const { context: world } = t;
  let begun = 0;
  let ended = 0;
  observe(world, 'auth', (_, { signal }) => {
    begun++;
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        ended++;
        reject(new Error('left'));
      });
    });
  });
  const socket = await open(world);
  socket.write(request('POST', '/v1/auth/login', '{"loginId":"hana","password":"x"}').repeat(80));
  await eventually(() => begun > 0);
  socket.destroy();
  await eventually(() => ended === begun);
  // What had not begun before does not begin now.
  await sleep(100);
  t.true(begun > 0);
  t.is(ended, begun);
});

test('a command whose client leaves while its job is issued is carried out', async (t) => {
  const { context: world } = t;
  let left: AbortSignal | undefined;
  observe(world, 'auth', (_, { signal }, call) => {
    left = signal;
    return call();
  });
  const issuing = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  observe(world, 'job', async (method, _, call) => {
    if (method !== 'issueJob') return call();
    issuing.resolve();
    await go.promise;
    return call();
  });
  const socket = await open(world);
  const authorization = { Authorization: `Bearer ${world.admin}` };
  socket.write(request('PATCH', `/v1/members/${world.hanaId}`, '{"displayName":"花"}', authorization));
  await issuing.promise;
  socket.destroy();
  await eventually(() => left?.aborted ?? false);
  go.resolve();
  await eventually(() => world.started.length > 0);
  t.is(world.started.length, 1);
  t.is(world.members.get(world.hanaId)?.displayName, '花');
});

test('what repeats of a key share does not end with the client that came first', async (t) => {
  const { context: world } = t;
  const looking = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let left: AbortSignal | undefined;
  observe(world, 'auth', (_, { signal }, call) => {
    left ??= signal;
    return call();
  });
  observe(world, 'job', async (method, { signal }, call) => {
    if (method !== 'findJob') return call();
    looking.resolve();
    await go.promise;
    signal?.throwIfAborted();
    return call();
  });
  const member = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };
  const headers = { 'Idempotency-Key': 'the-same' };
  const first = await open(world);
  const authorization = { ...headers, Authorization: `Bearer ${world.admin}` };
  first.write(request('POST', '/v1/members', JSON.stringify(member), authorization));
  await looking.promise;
  const second = send(world, 'POST', '/v1/members', { token: world.admin, body: member, headers });
  await sleep(200);
  first.destroy();
  await eventually(() => left?.aborted ?? false);
  go.resolve();
  t.is((await second).status, 202);
});

test('a wait ends with its client, and its job goes on', async (t) => {
  const { context: world } = t;
  world.next = 'running';
  const ended = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  observe(world, 'job', (method, { signal }, call) => {
    if (method === 'awaitJob') {
      signal?.addEventListener('abort', () => ended.resolve());
      waiting.resolve();
    }
    return call();
  });
  const socket = await open(world);
  const headers = { Authorization: `Bearer ${world.admin}`, Prefer: 'wait=30' };
  socket.write(request('PATCH', `/v1/members/${world.hanaId}`, '{"displayName":"花"}', headers));
  await waiting.promise;
  socket.destroy();
  await t.notThrowsAsync(ended.promise);
  t.is(world.started.length, 1);
});
