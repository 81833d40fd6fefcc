import test from 'ava';
import { pino } from 'pino';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { InProcess } from '#platform/grpc/in-process.ts';
import { loadConfig, programShape } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { Ports } from '../local/ports.ts';
import { SERVICES } from '../services/catalogue.ts';
import { fromEnvironment } from '../test/scratch-database.ts';
import { shape, start } from './main.ts';

const ports = new Ports();
test.after.always(() => ports.release());
const tracing = startTelemetry('gateway', {});

/** The gateway as it is, with everything away but what is given. */
async function gateway(given: Record<string, string>) {
  const nobody = `127.0.0.1:${await ports.reserve()}`;
  const port = await ports.reserve();
  const names = ['TEMPORAL', ...Object.keys(SERVICES).map((name) => name.toUpperCase())];
  const away = Object.fromEntries(names.map((name) => [`MUSUBI_${name}_ADDRESS`, nobody]));
  const env = { ...away, ...newCallerKeys(['gateway', 'sagas']), MUSUBI_HTTP_LISTEN: `127.0.0.1:${port}`, ...given };
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 5_000);
  const config = loadConfig({ ...programShape, ...shape }, env) as Parameters<typeof start>[0]['config'];
  await start({ config, log, lifecycle, tracing, inProcess: new InProcess(new Map()) });
  lifecycle.markStarted();
  return { lifecycle, base: `http://127.0.0.1:${port}` };
}

test('while all but Auth are away the gateway is ready for what needs none of them, and says what it lacks', async (t) => {
  const { lifecycle, base } = await gateway({
    MUSUBI_AUTH_ADDRESS: fromEnvironment('MUSUBI_AUTH_ADDRESS'),
    MUSUBI_GATEWAY_CALLER_KEY: fromEnvironment('MUSUBI_GATEWAY_CALLER_KEY'),
  });
  t.deepEqual(await lifecycle.unready(), {});
  const away = Object.keys(SERVICES).filter((name) => name !== 'auth');
  t.deepEqual(Object.keys(await lifecycle.degraded()).sort(), [...away, 'temporal'].sort());
  const login = await fetch(`${base}/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ loginId: 'nobody', password: 'nothing' }),
  });
  t.is(login.status, 401, 'logins are answered');
  await lifecycle.stop('test');
});

test('services that only its workers call are none of its business without workers', async (t) => {
  const { lifecycle } = await gateway({ MUSUBI_GATEWAY_WORKER: 'off' });
  t.deepEqual(Object.keys(await lifecycle.degraded()).sort(), ['chat', 'group', 'job', 'query', 'temporal']);
  await lifecycle.stop('test');
});

test('without Auth it can answer nothing, and is not ready', async (t) => {
  const { lifecycle } = await gateway({});
  t.deepEqual(Object.keys(await lifecycle.unready()), ['auth']);
  await lifecycle.stop('test');
});
