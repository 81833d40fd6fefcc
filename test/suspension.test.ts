import { once } from 'node:events';
import test from 'ava';
import { Redis } from 'ioredis';
import WebSocket from 'ws';
import { address, admin, Client, login, register } from './client.ts';
import { Socket } from './socket.ts';

const wait = { prefer: 'wait=30' };

test('a suspended member is out everywhere before that is acknowledged, is shown as one, and comes back with its roles', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const path = `/v1/members/${memberId}`;
  const anybody = new Client();
  const session = await anybody.post('/v1/auth/login', { loginId, password });
  const self = new Client(session.body.accessToken);
  const sockets = [await Socket.open(self.token), await Socket.open((await login(loginId, password)).token)];
  for (const socket of sockets) socket.send({ type: 'subscribe', topics: ['member:me'] });
  for (const socket of sockets) await socket.frame(({ type }) => type === 'subscribed');
  const before = await as.get(path);
  t.is(before.body.status, 'active');

  const suspended = await as.post(
    `${path}:suspend`,
    { reason: 'On leave' },
    { ...wait, 'if-match': before.headers.get('etag') ?? '' },
  );
  t.is(suspended.status, 200, JSON.stringify(suspended.body));
  t.like(suspended.body, { id: memberId, status: 'suspended', suspensionReason: 'On leave' });
  t.like(await self.get('/v1/members/me'), { status: 401, body: { code: 'SESSION_REVOKED' } });
  t.like(await self.patch(path, { displayName: 'still here' }), { status: 401, body: { code: 'SESSION_REVOKED' } });
  const refresh = () => anybody.post('/v1/auth/refresh', { refreshToken: session.body.refreshToken });
  t.like(await refresh(), { status: 401, body: { code: 'REFRESH_TOKEN_INVALID' } });
  const logIn = (word: string) => anybody.post('/v1/auth/login', { loginId, password: word });
  t.like(await logIn(password), { status: 403, body: { code: 'LOGIN_SUSPENDED' } });
  t.like(await logIn('not its password'), { status: 401, body: { code: 'BAD_CREDENTIALS' } });
  for (const socket of sockets) t.is(await socket.closeCode(), 4403);
  t.is(await (await Socket.open(self.token)).closeCode(), 4403, 'nor does another one open');
  t.deepEqual((await as.get(path)).body, suspended.body);

  const other = await register(as);
  const { body: seen } = await (await login(other.loginId, other.password)).get(path);
  t.like(seen, { status: 'suspended', suspendedAt: suspended.body.suspendedAt });
  t.false('suspensionReason' in seen, 'why is for those who may suspend it');
  t.like(await as.post(`${path}:suspend`, {}, wait), { status: 409, body: { code: 'MEMBER_SUSPENDED' } });
  t.is((await as.patch(path, { displayName: 'Away' }, wait)).body.status, 'suspended', 'a change does not let it in');

  const reinstated = await as.post(`${path}:reinstate`, undefined, wait);
  t.is(reinstated.status, 200, JSON.stringify(reinstated.body));
  t.like(reinstated.body, { status: 'active', displayName: 'Away', roleIds: before.body.roleIds });
  t.false('suspendedAt' in reinstated.body || 'suspensionReason' in reinstated.body);
  t.is((await self.get('/v1/members/me')).status, 401, 'its sessions have ended for good');
  t.is((await refresh()).status, 401);
  t.is((await (await login(loginId, password)).get('/v1/members/me')).body.id, memberId);
  t.like(await as.post(`${path}:reinstate`, undefined, wait), { status: 409, body: { code: 'MEMBER_NOT_SUSPENDED' } });
});

test('who was told that a job is completed finds no socket and no session of the member', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  const socket = await Socket.open(self.token);
  const watching = await Socket.open(as.token);
  const { body } = await as.post(`/v1/members/${memberId}:suspend`);
  t.is((await watching.end(body.jobId)).job?.state, 'completed');
  t.is((await self.get('/v1/members/me')).status, 401);
  t.is((await as.get(`/v1/members/${memberId}`)).body.status, 'suspended');
  t.is(await socket.closeCode(1), 4403);
  await watching.close();
});

test('a client that does not say goodbye is cut off before the command is acknowledged', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const { token } = await login(loginId, password);
  const ws = new WebSocket(address('MUSUBI_WEBSOCKET_URL'), 'musubi.v1', { headers: { authorization: `Bearer ${token}` } });
  await once(ws, 'open');
  ws.pause();
  const redis = new Redis(address('MUSUBI_REDIS_URL'));
  const open = () => redis.hlen(`ws:sockets:${memberId}`);
  try {
    t.is(await open(), 1);
    t.is((await as.post(`/v1/members/${memberId}:suspend`, undefined, wait)).status, 200);
    t.is(await open(), 0);
  } finally {
    redis.disconnect();
    ws.terminate();
  }
});

test('a suspended member can be deleted, and its login is held', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const path = `/v1/members/${memberId}`;
  t.is((await as.post(`${path}:suspend`, undefined, wait)).status, 200);
  t.is((await as.delete(path, wait)).status, 204);
  t.is((await as.get(path)).status, 404);
  const next = { loginId, password, displayName: 'Next', email: `${loginId}@example.com` };
  t.like(await as.post('/v1/members', next, wait), { status: 409, body: { code: 'LOGIN_TAKEN' } });
  t.like(await as.post(`${path}:suspend`, undefined, wait), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.like(await as.post(`${path}:reinstate`, undefined, wait), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
});

test('only who may suspends, nobody itself, and only what the caller saw', async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const self = await login(one.loginId, one.password);
  const path = `/v1/members/${other.memberId}`;
  for (const command of ['suspend', 'reinstate']) {
    t.like(await self.post(`${path}:${command}`), { status: 403, body: { code: 'PERMISSION_DENIED' } }, command);
    const stale = await as.post(`${path}:${command}`, undefined, { ...wait, 'if-match': '"0"' });
    t.like(stale, { status: 412, body: { code: 'VERSION_MISMATCH' } }, command);
  }
  t.is((await self.post(`/v1/members/${one.memberId}:suspend`)).status, 403, 'not even its own login');
  const me = (await as.get('/v1/members/me')).body.id;
  t.like(await as.post(`/v1/members/${me}:suspend`, undefined, wait), { status: 409, body: { code: 'SELF_SUSPENSION' } });
  t.is((await as.get('/v1/members/me')).body.status, 'active');
  const theirs = await login(other.loginId, other.password);
  t.is((await theirs.get('/v1/members/me')).body.status, 'active');
});
