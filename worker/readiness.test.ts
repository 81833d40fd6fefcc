import test from 'ava';
import { pino } from 'pino';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { InProcess } from '#platform/grpc/in-process.ts';
import { loadConfig, programShape } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { CONTRACTS } from '../activities/index.ts';
import { shape, start } from './main.ts';

const tracing = startTelemetry('worker', {});

test('without Temporal a worker is not ready; without a service that its activities call it is degraded', async (t) => {
  const names = ['TEMPORAL', ...Object.keys(CONTRACTS).map((name) => name.toUpperCase())];
  // Nobody listens there.
  const addresses = Object.fromEntries(names.map((name) => [`MUSUBI_${name}_ADDRESS`, '127.0.0.1:1']));
  const env = { ...addresses, ...newCallerKeys(['sagas']) };
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 5_000);
  const config = loadConfig({ ...programShape, ...shape }, env) as Parameters<typeof start>[0]['config'];
  await start({ config, log, lifecycle, tracing, inProcess: new InProcess(new Map()) });
  lifecycle.markStarted();
  t.deepEqual(Object.keys(await lifecycle.unready()), ['temporal']);
  t.deepEqual(Object.keys(await lifecycle.degraded()).sort(), Object.keys(CONTRACTS).sort());
  await lifecycle.stop('test');
});
