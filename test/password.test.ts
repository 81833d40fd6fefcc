import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { address, admin, Client, login, register, unique } from './client.ts';
import { historyText } from './evidence.ts';
import { Socket } from './socket.ts';

const wait = { prefer: 'wait=30' };
const refused = { status: 401, body: { code: 'SESSION_REVOKED' } };

const change = (as: Client, currentPassword: string, newPassword: string, more: object = {}, headers = wait) =>
  as.request('PUT', '/v1/auth/password', { currentPassword, newPassword, ...more }, headers);
const logIn = (loginId: string, password: string) => new Client().post('/v1/auth/login', { loginId, password });

async function subscribed(token: string | undefined): Promise<Socket> {
  const socket = await Socket.open(token);
  socket.send({ type: 'subscribe', topics: ['member:me'] });
  await socket.frame(({ type }) => type === 'subscribed');
  return socket;
}

test('a member changes its password: its other sessions and their sockets are gone before that is acknowledged', async (t) => {
  const { loginId, password, memberId } = await register(await admin());
  const [self, other] = [await login(loginId, password), await login(loginId, password)];
  const [mine, theirs] = [await subscribed(self.token), await subscribed(other.token)];
  const next = unique('the next password');
  const changed = await change(self, password, next, { endOtherSessions: true });
  t.is(changed.status, 204, JSON.stringify(changed.body));
  t.like(await other.get('/v1/members/me'), refused);
  t.is(await theirs.closeCode(2), 4403);
  t.is((await self.get('/v1/members/me')).status, 200);
  t.like(await logIn(loginId, password), { status: 401, body: { code: 'BAD_CREDENTIALS' } });
  t.is((await logIn(loginId, next)).status, 200);

  const [job] = (await self.get('/v1/jobs?command=auth.change-password')).body.items;
  t.like(job, { state: 'completed', result: { id: memberId } });
  t.is((await mine.end(job.id)).job?.command, 'auth.change-password');
  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const text = await historyText(new TemporalClient({ connection }), job.id);
  await connection.close();
  for (const secret of [password, next]) t.false(text.includes(secret));
  await mine.close();
});

test('who does not ask for it keeps its other sessions', async (t) => {
  const { loginId, password } = await register(await admin());
  const [self, other] = [await login(loginId, password), await login(loginId, password)];
  t.is((await change(self, password, unique('the next password'))).status, 204);
  t.is((await other.get('/v1/members/me')).status, 200);
});

test('a password is not changed by who does not know it, nor to one that nobody may have', async (t) => {
  const { loginId, password } = await register(await admin());
  const self = await login(loginId, password);
  const next = unique('the next password');
  t.like(await change(self, 'not the password', next), { status: 403, body: { code: 'CURRENT_PASSWORD_WRONG' } });
  t.like(await change(self, password, password), { status: 400, body: { code: 'PASSWORD_UNCHANGED' } });
  const weak = await change(self, password, 'password1');
  t.like(weak, { status: 400, body: { code: 'WEAK_PASSWORD', errors: [{ in: 'body', field: 'newPassword' }] } });
  t.is((await self.get('/v1/jobs?command=auth.change-password')).body.items.length, 0, 'and no job is left of it');
  t.is((await logIn(loginId, password)).status, 200);
});

test('a repeat with its key is the same change; two at once are one change and one refusal', async (t) => {
  const { loginId, password } = await register(await admin());
  const self = await login(loginId, password);
  const next = unique('the next password');
  const keyed = { ...wait, 'idempotency-key': unique('key') };
  for (let i = 0; i < 2; i++) t.is((await change(self, password, next, {}, keyed)).status, 204);
  const words = [unique('one of two'), unique('one of two')];
  const answers = await Promise.all(words.map((word) => change(self, next, word)));
  const codes = answers.map(({ status, body }) => (status === 204 ? 'done' : body.code));
  t.true(codes.includes('done'), JSON.stringify(answers));
  // What was looked at after the other was done was wrong by then.
  for (const code of codes) t.true(['done', 'PASSWORD_CHANGED', 'CURRENT_PASSWORD_WRONG'].includes(code), code);
  t.is(codes.filter((code) => code === 'done').length, 1);
  for (const [index, word] of words.entries()) t.is((await logIn(loginId, word)).status, codes[index] === 'done' ? 200 : 401);
});

test('a member that is suspended meanwhile changes nothing more', async (t) => {
  const as = await admin();
  const { loginId, password, memberId } = await register(as);
  const self = await login(loginId, password);
  const next = unique('the next password');
  const [changed, suspended] = await Promise.all([
    change(self, password, next),
    as.post(`/v1/members/${memberId}:suspend`, undefined, wait),
  ]);
  t.is(suspended.status, 200);
  t.true([204, 401, 403].includes(changed.status), JSON.stringify(changed.body));
  t.like(await change(self, password, next), refused);
  t.is((await as.post(`/v1/members/${memberId}:reinstate`, undefined, wait)).status, 200);
  const holds = changed.status === 204 ? next : password;
  t.is((await logIn(loginId, holds)).status, 200);
  t.is((await logIn(loginId, holds === next ? password : next)).status, 401);
});
