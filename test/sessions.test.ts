import test from 'ava';
import { admin, Client, login, register } from './client.ts';
import { Socket } from './socket.ts';

// A member sees its sessions and ends them: who was told so finds tokens refused and sockets closed.

async function member() {
  const { memberId, loginId, password } = await register(await admin());
  const open = () => login(loginId, password);
  /** Tokens of one more session. */
  const tokens = async () => (await new Client().post('/v1/auth/login', { loginId, password })).body;
  return { memberId, loginId, password, open, tokens };
}

/** A socket that has been let in. */
async function subscribed(token: string | undefined): Promise<Socket> {
  const socket = await Socket.open(token);
  socket.send({ type: 'subscribe', topics: ['member:me'] });
  await socket.frame(({ type }) => type === 'subscribed');
  return socket;
}

const refused = { status: 401, body: { code: 'SESSION_REVOKED' } };
/** Longer than a close frame takes on its way, and far shorter than the next regular look at a session. */
const SOON_SECONDS = 2;

test('a member lists its sessions, and ends another one with all that it has open', async (t) => {
  const { open, memberId } = await member();
  const [one, other] = [await open(), await open()];
  const { items } = (await one.get('/v1/auth/sessions')).body;
  t.is(items.length, 2);
  t.deepEqual(
    items.map(({ current }: { current: boolean }) => current),
    [false, true],
    'the newest first',
  );
  t.regex(items[0].address, /^127\.0\.0\.1$|^::\/64$/);
  const [mine, theirs] = [await subscribed(one.token), await subscribed(other.token)];
  const path = `/v1/auth/sessions/${items[0].id}`;
  t.is((await one.delete(path)).status, 204);
  t.like(await other.get('/v1/members/me'), refused);
  t.is(await theirs.closeCode(SOON_SECONDS), 4403);
  t.like(await one.delete(path), { status: 404, body: { code: 'SESSION_NOT_FOUND' } });
  t.is((await one.get('/v1/auth/sessions')).body.items.length, 1);
  const { body } = await one.patch(`/v1/members/${memberId}`, { displayName: 'Still here' });
  t.is((await mine.end(body.jobId)).job?.state, 'completed', 'the socket of another session stays');
  await mine.close();
});

test("another member's session is not there", async (t) => {
  const [one, other] = [await (await member()).open(), await (await member()).open()];
  const [{ id }] = (await other.get('/v1/auth/sessions')).body.items;
  t.like(await one.delete(`/v1/auth/sessions/${id}`), { status: 404, body: { code: 'SESSION_NOT_FOUND' } });
  t.is((await other.get('/v1/members/me')).status, 200);
  t.like(await new Client().get('/v1/auth/sessions'), { status: 401, body: { code: 'TOKEN_MISSING' } });
});

test('who has logged out finds its tokens refused and its sockets closed, and no other', async (t) => {
  const { open, tokens } = await member();
  const one = await open();
  const { accessToken, refreshToken } = await tokens();
  const self = new Client(accessToken);
  const [mine, ...theirs] = [await subscribed(one.token), await subscribed(accessToken), await subscribed(accessToken)];
  t.is((await self.post('/v1/auth/logout')).status, 204);
  t.like(await self.get('/v1/members/me'), refused);
  t.is((await new Client().post('/v1/auth/refresh', { refreshToken })).status, 401);
  for (const socket of theirs) t.is(await socket.closeCode(SOON_SECONDS), 4403);
  t.is(mine.closed, undefined);
  await mine.close();
});
