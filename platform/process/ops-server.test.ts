import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Ports } from '../../local/ports.ts';
import { openRaw, parseAnswer } from '../http/raw-client.fixture.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './log.ts';
import { serveOps } from './ops-server.ts';

const quiet = createLogger('test', 'fatal');

test('a process that lacks a part is degraded: ready for requests, but not healthy', async (t) => {
  const lifecycle = new Lifecycle(quiet, 1_000);
  const reserved = new Ports();
  const port = await reserved.reserve();
  await serveOps({ host: '127.0.0.1', port }, new Map([['test', lifecycle]]), quiet, lifecycle);
  const away = new Set<string>();
  const check = (name: string) => () => {
    if (away.has(name)) throw new Error('is away');
  };
  lifecycle.onReady('store', check('store'));
  lifecycle.onHealthy('broker', check('broker'));
  lifecycle.onAttention('letters', check('letters'));
  const ask = async () => {
    const answers = await Promise.all(['livez', 'readyz', 'healthz'].map((path) => fetch(`http://127.0.0.1:${port}/${path}`)));
    const [, readyz] = answers;
    return [answers.map(({ status }) => status), await readyz?.json()];
  };
  const nothing = { unready: {}, degraded: {}, attention: {} };
  t.deepEqual(await ask(), [[200, 503, 503], { ...nothing, status: 'not ready', unready: { process: 'is starting' } }]);
  lifecycle.markStarted();
  t.deepEqual(await ask(), [[200, 200, 200], { ...nothing, status: 'healthy' }]);
  away.add('letters');
  t.deepEqual(await ask(), [[200, 200, 503], { ...nothing, status: 'degraded', attention: { letters: 'is away' } }]);
  away.delete('letters');
  away.add('broker');
  t.deepEqual(await ask(), [[200, 200, 503], { ...nothing, status: 'degraded', degraded: { broker: 'is away' } }]);
  away.add('store');
  const both = { unready: { store: 'is away' }, degraded: { broker: 'is away' } };
  t.deepEqual(await ask(), [[200, 503, 503], { ...nothing, status: 'not ready', ...both }]);
  await lifecycle.stop('test');
  await reserved.release();
});

test('metrics are shown unless that is not wanted', async (t) => {
  const lifecycle = new Lifecycle(quiet, 1_000);
  const reserved = new Ports();
  const status = async (shown?: { metrics: boolean }): Promise<number> => {
    const port = await reserved.reserve();
    await serveOps({ host: '127.0.0.1', port }, new Map([['test', lifecycle]]), quiet, lifecycle, shown);
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).status;
  };
  t.deepEqual([await status(), await status({ metrics: true }), await status({ metrics: false })], [200, 200, 404]);
  await lifecycle.stop('test');
  await reserved.release();
});

test('who only begins to ask is cut off, and what can not be read is refused', async (t) => {
  const lifecycle = new Lifecycle(quiet, 1_000);
  const reserved = new Ports();
  const port = await reserved.reserve();
  await serveOps({ host: '127.0.0.1', port }, new Map([['test', lifecycle]]), quiet, lifecycle);
  const slow = await openRaw(port);
  const trickle = setInterval(() => slow.socket.write('GET /livez HTTP/1.1\r\n'.charAt(slow.socket.bytesWritten)), 100);
  const two = await openRaw(port);
  two.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n');
  t.like(JSON.parse(parseAnswer(await two.closed).body), { status: 400, code: 'MALFORMED_REQUEST' });
  const wrong = await fetch(`http://127.0.0.1:${port}/livez`, { method: 'DELETE' });
  t.is(wrong.status, 405);
  t.is(wrong.headers.get('allow'), 'GET, HEAD');
  t.is((await fetch(`http://127.0.0.1:${port}/livez`, { method: 'HEAD' })).status, 200);
  const cut = await Promise.race([slow.closed, sleep(15_000)]);
  clearInterval(trickle);
  t.is(parseAnswer(cut ?? '').status, 408, 'its head has not come in 15 s');
  await lifecycle.stop('test');
  await reserved.release();
});

test('of several programs it tells of each under its name, and of one where it is asked for it', async (t) => {
  const [own, one, other] = ['own', 'one', 'other'].map(() => new Lifecycle(quiet, 1_000)) as [Lifecycle, Lifecycle, Lifecycle];
  const reserved = new Ports();
  const port = await reserved.reserve();
  const programs = new Map([
    ['one', one],
    ['other', other],
  ]);
  await serveOps({ host: '127.0.0.1', port }, programs, quiet, own);
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, response.headers.get('content-type') === 'application/json' ? await response.json() : ''];
  };
  one.markStarted();
  const starting = { degraded: {}, attention: {}, status: 'not ready' };
  t.deepEqual(await ask('/readyz'), [503, { ...starting, unready: { 'other: process': 'is starting' } }]);
  t.like(await ask('/readyz/one'), [200]);
  t.deepEqual(await ask('/readyz/other'), [503, { ...starting, unready: { process: 'is starting' } }]);
  t.like(await ask('/readyz/nobody'), [404]);
  const lost = await fetch(`http://127.0.0.1:${port}/readyz/nobody`);
  t.regex(await lost.text(), /\/readyz\/PROGRAM or \/healthz\/PROGRAM of one of one, other\n$/);
  other.markStarted();
  other.onAttention('letters', () => {
    throw new Error('are there');
  });
  t.like(await ask('/readyz'), [200]);
  t.deepEqual(await ask('/healthz'), [
    503,
    { status: 'degraded', unready: {}, degraded: {}, attention: { 'other: letters': 'are there' } },
  ]);
  t.like(await ask('/healthz/one'), [200]);
  programs.delete('other');
  t.like(await ask('/healthz'), [200, { attention: {} }]);
  await own.stop('test');
  await reserved.release();
});
