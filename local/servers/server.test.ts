import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { mustAnswer } from './server.ts';

test('what is not ready tells why', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/ready') response.end('yes');
    else response.writeHead(503).end('{"degraded":{"temporal":"connecting"}}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await mustAnswer(`${url}/ready`);
  await t.throwsAsync(mustAnswer(`${url}/healthz`), { message: /answered 503: .*"temporal":"connecting"/ });
});
