import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

test('the audit is told the other end of the connection, whatever a client writes of itself', async (t) => {
  const headers = { 'x-forwarded-for': '6.6.6.6', 'x-real-ip': '6.6.6.6', forwarded: 'for=6.6.6.6' };
  await send(t.context, 'GET', '/v1/members', { token: t.context.hana, headers });
  t.is(t.context.asked.at(-1)?.origin?.address, '127.0.0.1');
});
