import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import Koa from 'koa';
import { aborted, type MusubiError, resourceExhausted, unavailable } from '#platform/errors.ts';
import { problems } from './problems.ts';

test('Retry-After is what the error says, or a second where the status asks for one', async (t) => {
  const cases: [MusubiError, number, string | null][] = [
    [resourceExhausted('TOO_BUSY', 'too many', { retryAfterSeconds: 90 }), 429, '90'],
    [resourceExhausted('TOO_BUSY', 'too many'), 429, '1'],
    [unavailable('SERVICE_UNAVAILABLE', 'away', { retryAfterSeconds: 7 }), 503, '7'],
    [unavailable('SERVICE_UNAVAILABLE', 'away'), 503, '1'],
    [aborted('MEMBER_BUSY', 'busy', { retryAfterSeconds: 2 }), 409, '2'],
    [aborted('MEMBER_BUSY', 'busy'), 409, null],
  ];
  const app = new Koa();
  app.use(problems());
  app.use((ctx) => {
    throw cases[Number(ctx.path.slice(1))]?.[0];
  });
  const server = createServer((request, response) => void app.callback()(request, response)).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  for (const [index, [error, status, retryAfter]] of cases.entries()) {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${index}`);
    t.is(answer.status, status);
    t.is(answer.headers.get('retry-after'), retryAfter, error.message);
    await answer.text();
  }
});
