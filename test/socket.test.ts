import test from 'ava';
import WebSocket from 'ws';
import { address, admin, login, register } from './client.ts';
import { Socket } from './socket.ts';

test("the owner's socket is told of the end of a job, and nobody else's is", async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const self = await login(one.loginId, one.password);
  const mine = await Socket.open(self.token);
  const theirs = await Socket.open((await login(other.loginId, other.password)).token);
  const accepted = await self.patch(`/v1/members/${one.memberId}`, { displayName: 'pushed' });
  const frame = await mine.end(accepted.body.jobId);
  t.is(frame.type, 'job');
  t.is(frame.job?.state, 'completed');
  t.is(frame.topic, 'member:me');
  t.is(frame.cursor, undefined, 'which comes with a subscribe');
  t.is((await self.get(`/v1/members/${one.memberId}`)).body.displayName, 'pushed', 'told "done", it sees it');
  t.false(theirs.frames.some(({ job }) => job?.id === accepted.body.jobId));
  await Promise.all([mine.close(), theirs.close()]);
});

test('a failed job arrives with its reason', async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const socket = await Socket.open(as.token);
  const accepted = await as.patch(`/v1/members/${one.memberId}`, { loginId: other.loginId });
  const frame = await socket.end(accepted.body.jobId);
  t.is(frame.job?.error?.code, 'LOGIN_TAKEN');
  await socket.close();
});

test('a client that comes back with its cursor gets what it missed, in order, once', async (t) => {
  const as = await admin();
  const one = await register(as);
  const self = await login(one.loginId, one.password);
  const first = await Socket.open(self.token);
  first.send({ type: 'subscribe', topics: ['member:me'] });
  const { cursor } = await first.frame(({ type }) => type === 'subscribed');
  await first.close();

  const jobs: string[] = [];
  for (const displayName of ['one', 'two', 'three']) {
    const { body } = await self.patch(`/v1/members/${one.memberId}`, { displayName });
    await self.finished(body.jobId);
    jobs.push(body.jobId);
  }
  const second = await Socket.open(self.token);
  second.send({ type: 'subscribe', topics: ['member:me'], cursor });
  await second.end(jobs[2]);
  const { body } = await self.patch(`/v1/members/${one.memberId}`, { displayName: 'four' });
  jobs.push(body.jobId);
  await second.end(body.jobId);
  t.deepEqual(second.ended, jobs);
  await second.close();
});

test('a socket without a valid token is closed with 4401', async (t) => {
  const forged = await Socket.open();
  forged.send({ type: 'auth', token: 'forged' });
  t.is(await forged.closeCode(), 4401);
  const silent = await Socket.open();
  t.is(await silent.closeCode(), 4401);
});

test("pages of the gateway, by either name of this machine, may open sockets, and others' may not", async (t) => {
  const open = (origin: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const ws = new WebSocket(address('MUSUBI_WEBSOCKET_URL'), 'musubi.v1', { origin });
      ws.on('open', () => {
        ws.terminate();
        resolve(101);
      });
      ws.on('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode));
      ws.on('error', reject);
    });
  const { port, origin } = new URL(address('MUSUBI_PUBLIC_URL'));
  for (const own of [origin, `http://127.0.0.1:${port}`, `http://localhost:${port}`]) t.is(await open(own), 101, own);
  for (const other of ['https://evil.example', `http://localhost:${Number(port) + 1}`, 'null'])
    t.is(await open(other), 403, other);
});

test('a first frame may carry the token', async (t) => {
  const as = await admin();
  const socket = await Socket.open();
  socket.send({ type: 'auth', token: as.token });
  socket.send({ type: 'ping', ref: 'mine' });
  t.is((await socket.frame(({ type }) => type === 'pong')).ref, 'mine');
  await socket.close();
});
