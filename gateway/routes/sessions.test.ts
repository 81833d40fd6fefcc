import { newId } from '#platform/validation/id.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

test('a member lists its sessions and ends one, and nobody does without a token', async (t) => {
  const { context: world } = t;
  const as = { token: world.hana };
  const listed = await send(world, 'GET', '/v1/auth/sessions', as);
  t.is(listed.status, 200);
  t.like(listed.body.items[0], { id: world.sessionId, userAgent: 'test', current: true });
  t.false('address' in listed.body.items[0], 'nobody knows it');
  t.like(await send(world, 'GET', '/v1/auth/sessions?pageToken=x', as), { status: 400, body: { code: 'PAGE_TOKEN_INVALID' } });
  const path = `/v1/auth/sessions/${world.sessionId}`;
  const absent = await send(world, 'DELETE', `/v1/auth/sessions/${newId()}`, as);
  t.like(absent, { status: 404, body: { code: 'SESSION_NOT_FOUND' } });
  t.like(await send(world, 'DELETE', '/v1/auth/sessions/x', as), { status: 404, body: { code: 'SESSION_NOT_FOUND' } });
  t.is((await send(world, 'DELETE', path.toUpperCase().replace('/V1/AUTH/SESSIONS', '/v1/auth/sessions'), as)).status, 204);
  for (const [method, at] of [
    ['GET', '/v1/auth/sessions'],
    ['DELETE', path],
  ] as const)
    t.like(await send(world, method, at), { status: 401, body: { code: 'TOKEN_MISSING' } });
  t.like(world.asked.at(-1), { action: 'auth.end-session', resource: { type: 'System' } });
});
