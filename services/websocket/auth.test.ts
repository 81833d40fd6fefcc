import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { TestClient } from './client.fixture.ts';
import { atOnce } from './peers.fixture.ts';
import { type InstanceOptions, openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
let one: TestInstance;
let hasty: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
  // A ping must be answered before the next one, also when this process stands still for a moment.
  const limits: InstanceOptions['limits'] = { authMs: 200, pingMs: 1_500 };
  hasty = await sockets.instance({ limits });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;

test('a token in the header opens the socket: what happens from then on comes', async (t) => {
  const me = member();
  const client = await TestClient.open(one.url, sockets.token(me));
  t.is(client.ws.protocol, 'musubi.v1');
  const job = sockets.job(me);
  await sockets.deliver(job);
  const [frame] = await client.count('job', 1);
  t.is(frame?.job.id, job.jobId);
  t.deepEqual(frame?.job.result, { id: '結び' });
});

test('a first frame may bring the token', async (t) => {
  const me = member();
  const client = await TestClient.open(one.url);
  client.send({ type: 'auth', token: sockets.token(me) });
  await client.subscribe(['member:me']);
  await sockets.deliver(sockets.job(me));
  t.is((await client.count('job', 1)).length, 1);
});

test('a wrong token, another first frame, or none in time: 4401', async (t) => {
  t.is(await new TestClient(one.url, { token: 'wrong' }).closeCode(), 4401);
  const wrong = await TestClient.open(one.url);
  wrong.send({ type: 'auth', token: 'wrong' });
  t.is(await wrong.closeCode(), 4401);
  const early = await TestClient.open(one.url);
  early.send({ type: 'ping' });
  t.is(await early.closeCode(), 4401);
  t.is(early.closed?.reason, 'TOKEN_MISSING: The first frame must be auth.');
  const garbage = await TestClient.open(one.url);
  garbage.send('{');
  t.is(await garbage.closeCode(), 4401);
  t.is(await (await TestClient.open(hasty.url)).closeCode(), 4401);
  t.is(await new TestClient(one.url, { token: sockets.token('') }).closeCode(), 4401, 'one that names nobody');
});

test('with a fresh token a socket stays registered for the life of that, and so do its subscriptions', async (t) => {
  const me = member();
  sockets.readers.add(me);
  const client = await TestClient.open(one.url, sockets.token(me, 20));
  const watched = sockets.job(member());
  await client.subscribe([`job:${watched.jobId}`]);
  for (const key of [`ws:sockets:${me}`, `ws:job:${watched.jobId}`])
    t.true((await sockets.redis.pttl(sockets.prefix + key)) < 100_000, key);
  client.send({ type: 'auth', token: sockets.token(me, 300) });
  for (const key of [`ws:sockets:${me}`, `ws:job:${watched.jobId}`])
    await client.until(async () => (await sockets.redis.pttl(sockets.prefix + key)) > 300_000);
  t.is(client.closed, undefined);
});

test.serial('that the session of an old token has ended, closes nobody who has a fresh one meanwhile', async (t) => {
  const me = member();
  const [old, fresh] = [sockets.token(me), sockets.token(me)];
  const client = await TestClient.open(one.url, old);
  const { promise: looked, resolve: look } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  sockets.before.auth = () => {
    sockets.before = atOnce();
    look();
    return answered;
  };
  await sockets.store.recheck([me]);
  await looked;
  sockets.revoked.add(old);
  client.send({ type: 'auth', token: fresh });
  await client.until(() => (sockets.asked.get(fresh) ?? 0) >= 1);
  client.send({ type: 'ping' });
  await client.count('pong', 1);
  answer();
  await client.until(() => client.closed !== undefined || (sockets.asked.get(fresh) ?? 0) >= 2);
  client.send({ type: 'ping' });
  await client.until(() => client.closed !== undefined || client.of('pong').length === 2);
  t.is(client.closed, undefined);
});

test.serial('a socket that had to give way while its token was looked at is not registered', async (t) => {
  const { url } = await sockets.instance({ limits: { unauthenticatedSockets: 1 } });
  const { promise, resolve } = Promise.withResolvers<void>();
  sockets.before.auth = () => promise;
  const me = member();
  const first = await TestClient.open(url);
  first.send({ type: 'auth', token: sockets.token(me) });
  await first.until(() => [...sockets.tokens].some(([token, { memberId }]) => memberId === me && sockets.asked.has(token)));
  await TestClient.open(url);
  t.is(await first.closeCode(), 1013);
  sockets.before = atOnce();
  resolve();
  // Whoever asks after it is answered after it.
  await TestClient.open(url, sockets.token(member()));
  await first.until(async () => (await sockets.registered(me)) === 0);
  await sleep(200);
  t.is(await sockets.registered(me), 0);
});

test('a revoked session is 4403: at first, when it asks again, and within the interval of checks', async (t) => {
  const me = member();
  const revoked = sockets.token(me);
  sockets.revoked.add(revoked);
  t.is(await new TestClient(one.url, { token: revoked }).closeCode(), 4403);
  const open = await TestClient.open(one.url, sockets.token(me));
  open.send({ type: 'auth', token: revoked });
  t.is(await open.closeCode(), 4403);
  const token = sockets.token(me);
  const watched = await TestClient.open(hasty.url, token);
  await watched.until(() => (sockets.asked.get(token) ?? 0) >= 3);
  t.is(watched.closed, undefined, 'a good one stays');
  sockets.revoked.add(token);
  t.is(await watched.closeCode(), 4403);
});

test('a token that expires closes the socket; a fresh one before that keeps it', async (t) => {
  const me = member();
  const seconds = 5;
  const left = await TestClient.open(one.url, sockets.token(me, seconds));
  const kept = await TestClient.open(one.url, sockets.token(me, seconds));
  const over = Date.now() + seconds * 1_000;
  kept.send({ type: 'auth', token: sockets.token(me) });
  t.is(await left.closeCode(), 4401);
  // Times are whole seconds in Auth's answers.
  await sleep(over + 1_000 - Date.now());
  t.is(kept.closed, undefined);
  await sockets.deliver(sockets.job(me));
  t.is((await kept.count('job', 1)).length, 1);
});

test('a fresh token must be the same member’s', async (t) => {
  const client = await TestClient.open(one.url, sockets.token(member()));
  client.send({ type: 'auth', token: sockets.token(member()) });
  t.is(await client.closeCode(), 4401);
});

test.serial('while Auth is away new clients are told to try again later, and open sockets stay', async (t) => {
  const me = member();
  const token = sockets.token(me);
  const open = await TestClient.open(hasty.url, token);
  sockets.authIsAway = true;
  t.is(await new TestClient(one.url, { token: sockets.token(me) }).closeCode(), 1013);
  open.send({ type: 'auth', token: sockets.token(me) });
  const [error] = await open.count('error', 1);
  t.is(error?.code, 'STORE_UNAVAILABLE');
  const checks = sockets.asked.get(token) ?? 0;
  await open.until(() => (sockets.asked.get(token) ?? 0) >= checks + 2);
  sockets.authIsAway = false;
  t.is(open.closed, undefined);
});

test('of a service that is away, a client is not told where it was looked for', async (t) => {
  const nowhere = '127.0.0.1:1';
  const noAuth = await sockets.instance({ peersAt: { auth: nowhere } });
  const refused = new TestClient(noAuth.url, { token: 'x' });
  t.is(await refused.closeCode(), 1013);
  t.is(
    refused.closed?.reason,
    'SERVICE_UNAVAILABLE: A service that is needed for this is away. If a command failed of it, it is undone.',
  );
  const noJob = await sockets.instance({ peersAt: { job: nowhere } });
  const client = await TestClient.open(noJob.url, sockets.token(member()));
  client.send({ type: 'subscribe', topics: ['job:1'] });
  const [error] = await client.count('error', 1);
  t.is(error?.code, 'SERVICE_UNAVAILABLE');
  t.notRegex(error?.message ?? '', /127|connect|ECONN/i);
});

test('without the subprotocol, or elsewhere, there is no socket', async (t) => {
  const refused = async (client: TestClient): Promise<number> => {
    const status = await new Promise<number>((resolve) => {
      client.ws.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    });
    client.drop();
    return status;
  };
  t.is(await refused(new TestClient(one.url, { protocol: '' })), 400);
  t.is(await refused(new TestClient(one.url, { protocol: 'other' })), 400);
  t.is(await refused(new TestClient(`${one.url}/x`)), 404);
  const plain = await fetch(`${one.http}/v1/events`);
  t.is(plain.status, 426);
  t.is(plain.headers.get('content-type'), 'application/problem+json');
  const telemetry = startTelemetry('test', {});
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const missing = await fetch(`${one.http}/`, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
  t.is(missing.status, 404);
  t.like(await missing.json(), { code: 'ROUTE_NOT_FOUND', traceId });
  const other = (await (await fetch(`${one.http}/`)).json()) as { traceId: string };
  t.regex(other.traceId, /^(?!0{32})[0-9a-f]{32}$/);
  await telemetry.stop();
});
