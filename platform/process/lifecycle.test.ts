import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './log.ts';

const quiet = createLogger('test', 'fatal');

test('a stop goes phase by phase, and what fails or hangs does not hold up the rest', async (t) => {
  const lifecycle = new Lifecycle(quiet, 300);
  const order: string[] = [];
  lifecycle.onStop('store', 'stores', () => order.push('store'));
  lifecycle.onStop('hanging', 'intake', () => new Promise(() => {}));
  lifecycle.onStop('failing', 'intake', () => Promise.reject(new Error('no')));
  lifecycle.onStop('server', 'intake', async () => {
    await sleep(20);
    order.push('server');
  });
  lifecycle.onStop('loop', 'work', () => order.push('loop'));
  await Promise.all([lifecycle.stop('test'), lifecycle.stop('again')]);
  t.deepEqual(order, ['server', 'loop', 'store']);
});

test('readiness is honest: not before the start, not while a check fails or hangs, not while stopping', async (t) => {
  const lifecycle = new Lifecycle(quiet, 300);
  t.deepEqual(Object.keys(await lifecycle.unready()), ['process']);
  lifecycle.markStarted();
  t.deepEqual(await lifecycle.unready(), {});
  let failing = true;
  lifecycle.onReady('store', () => {
    if (failing) throw new Error('is away');
  });
  lifecycle.onReady('hanging', () => (failing ? new Promise(() => {}) : undefined));
  const unready = await lifecycle.unready();
  t.is(unready.store, 'is away');
  t.regex(unready.hanging ?? '', /no answer/);
  failing = false;
  t.deepEqual(await lifecycle.unready(), {});
  await lifecycle.stop('test');
  t.deepEqual(Object.keys(await lifecycle.unready()), ['process']);
});
