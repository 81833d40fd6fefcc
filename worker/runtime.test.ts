import { type AddressInfo, createServer } from 'node:net';
import { Runtime } from '@temporalio/worker';
import test from 'ava';
import { createLogger } from '#platform/process/log.ts';
import { freePort, installRuntime } from './runtime.ts';

// Core is one for the whole process, so one test after the other.

const log = createLogger('test', 'silent');
test.afterEach.always(() => Runtime.instance().shutdown());

const served = async (port: number | undefined): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/metrics`)).ok;

test.serial('a port that somebody else has taken meanwhile costs one try, not the process', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port: taken } = other.address() as AddressInfo;
  t.teardown(() => other.close());
  await t.throwsAsync(
    installRuntime(log, async () => taken),
    { message: /in use/i },
  );
  await t.notThrowsAsync(installRuntime(log));
});

test.serial('what is there stays, and what went with its last connection comes back at a port that is free then', async (t) => {
  const ports: number[] = [];
  const next = async (): Promise<number> => {
    const port = await freePort();
    ports.push(port);
    return port;
  };
  await installRuntime(log, next);
  await installRuntime(log, next);
  t.true(await served(ports[0]));
  await Runtime.instance().shutdown();
  await installRuntime(log, next);
  t.true(await served(ports[2]));
});
