import test from 'ava';
import { Ports } from '../local/ports.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './log.ts';
import { serveOps } from './ops-server.ts';

const quiet = createLogger('test', 'fatal');

test('a process that lacks a part is degraded: ready for requests, but not healthy', async (t) => {
  const lifecycle = new Lifecycle(quiet, 1_000);
  const reserved = new Ports();
  const port = await reserved.reserve();
  await serveOps({ host: '127.0.0.1', port }, lifecycle, quiet);
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
