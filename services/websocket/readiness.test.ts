import test from 'ava';
import { pino } from 'pino';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { InProcess } from '#platform/grpc/in-process.ts';
import { loadConfig, programShape } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { shape, start } from './main.ts';

const tracing = startTelemetry('websocket', {});

test('without Auth it lets nobody in and is not ready; what else is away makes it degraded', async (t) => {
  const redis = process.env.MUSUBI_REDIS_URL;
  if (!redis) throw new Error('MUSUBI_REDIS_URL is not set: `npm test` sets it, or give the URL of a Redis server');
  // Nobody listens at port 1; away from Kafka, too, it has no part in the events of the running system.
  const env = {
    ...newCallerKeys(['websocket']),
    MUSUBI_REDIS_URL: redis,
    MUSUBI_KAFKA_BROKERS: '127.0.0.1:1',
    MUSUBI_AUTH_ADDRESS: '127.0.0.1:1',
    MUSUBI_JOB_ADDRESS: '127.0.0.1:1',
    MUSUBI_CHAT_ADDRESS: '127.0.0.1:1',
    MUSUBI_HTTP_LISTEN: '127.0.0.1:0',
    MUSUBI_GRPC_LISTEN: '127.0.0.1:0',
  };
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 5_000);
  const config = loadConfig({ ...programShape, ...shape }, env) as Parameters<typeof start>[0]['config'];
  await start({ config, log, lifecycle, tracing, inProcess: new InProcess(new Map()) });
  lifecycle.markStarted();
  t.deepEqual(Object.keys(await lifecycle.unready()), ['auth']);
  t.deepEqual(Object.keys(await lifecycle.degraded()).sort(), ['chat', 'job', 'kafka group websocket']);
  await lifecycle.stop('test');
});
