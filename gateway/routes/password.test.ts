import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

const path = '/v1/auth/password';
const body = { currentPassword: 'correct horse', newPassword: 'staple of the 結び' };
const wait = { prefer: 'wait=5' };

test('a password is changed by a command, which knows neither of the two, and keeps the session that asks', async (t) => {
  const { context: world } = t;
  const as = { token: world.hana, body };
  const accepted = await send(world, 'PUT', path, as);
  t.is(accepted.status, 202);
  t.is((await send(world, 'PUT', path, { ...as, headers: wait })).status, 204);
  t.is((await send(world, 'PUT', path, { ...as, body: { ...body, endOtherSessions: true }, headers: wait })).status, 204);
  t.deepEqual(
    world.started.map(({ command, aggregateId }) => ({ command, aggregateId })),
    Array.from({ length: 3 }, () => ({ command: 'auth.change-password', aggregateId: world.hanaId })),
  );
  const inputs = world.started.map(({ input }) => input as { passwordRef: string });
  for (const [index, input] of inputs.entries()) {
    t.like(input, { memberId: world.hanaId, sessionId: 'session', endOtherSessions: index === 2 });
    t.deepEqual(Object.keys(input).sort(), ['endOtherSessions', 'memberId', 'passwordRef', 'sessionId']);
  }
  t.like(world.asked.at(-1), { action: 'auth.change-password', resource: { type: 'System' } });
});

test('a password that is refused leaves no job', async (t) => {
  const { context: world } = t;
  const ask = (given: object) => send(world, 'PUT', path, { token: world.hana, body: { ...body, ...given }, headers: wait });
  t.like(await ask({ currentPassword: 'wrong' }), { status: 403, body: { code: 'CURRENT_PASSWORD_WRONG' } });
  for (const newPassword of ['short', 'x'.repeat(257), 7, undefined])
    t.like(await ask({ newPassword }), { status: 400, body: { errors: [{ in: 'body', field: 'newPassword' }] } });
  t.like(await ask({ endOtherSessions: 'yes' }), { status: 400, body: { errors: [{ field: 'endOtherSessions' }] } });
  t.like(await send(world, 'PUT', path, { body }), { status: 401, body: { code: 'TOKEN_MISSING' } });
  t.is(world.jobs.size, 0);
});

test('a repeat with the same key is the same job, and its password is not looked at again', async (t) => {
  const { context: world } = t;
  const headers = { ...wait, 'idempotency-key': 'one' };
  const ask = (given: object) => send(world, 'PUT', path, { token: world.hana, body: { ...body, ...given }, headers });
  t.is((await ask({})).status, 204);
  // By now the current one is another.
  t.is((await ask({ currentPassword: 'wrong by now' })).status, 204);
  t.is((await ask({ newPassword: 'no password is compared' })).status, 204);
  t.is(world.jobs.size, 1);
  t.like(await ask({ endOtherSessions: true }), { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
});
