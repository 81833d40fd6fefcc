import test from 'ava';
import { WebSocket } from 'ws';
import { startProgram } from './processes.ts';

// What a deployment sets for its doors reaches them: whose pages may use them, and which proxies are believed.

const APP = 'https://app.example';

test('a gateway lets in the pages that are configured and its own, and believes the proxy that is configured', async (t) => {
  const gateway = await startProgram('gateway', [], { MUSUBI_ALLOWED_ORIGINS: APP, MUSUBI_TRUSTED_PROXIES: '127.0.0.1' });
  t.teardown(() => gateway.stop());
  const base = `http://127.0.0.1:${gateway.ports.http}`;
  const allowed = async (origin: string) =>
    (await fetch(`${base}/openapi.json`, { headers: { origin } })).headers.get('access-control-allow-origin');
  for (const own of [APP, base, `http://localhost:${gateway.ports.http}`]) t.is(await allowed(own), own);
  t.is(await allowed('https://evil.example'), null);
  const source = '203.0.113.77';
  const logIn = (forwarded: string) =>
    fetch(`${base}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': forwarded },
      body: JSON.stringify({ loginId: 'nobody-at-all', password: 'wrong password' }),
    });
  t.is((await logIn(source)).status, 401);
  while (!gateway.output().includes(source)) await new Promise((resolve) => setTimeout(resolve, 20));
  t.pass('the source is in its log');
});

test('a websocket service lets in the pages that are configured, and no others', async (t) => {
  const service = await startProgram('websocket', [], { MUSUBI_ALLOWED_ORIGINS: APP });
  t.teardown(() => service.stop());
  const open = (origin: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const ws = new WebSocket(`ws://127.0.0.1:${service.ports.http}/v1/events`, 'musubi.v1', { origin });
      ws.on('open', () => {
        ws.terminate();
        resolve(101);
      });
      ws.on('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode));
      ws.on('error', reject);
    });
  t.is(await open(APP), 101);
  t.is(await open('https://evil.example'), 403);
});
