import { type AddressInfo, createServer } from 'node:net';
import test from 'ava';
import { createLogger } from '#platform/log.ts';
import { freePort, installRuntime } from './runtime.ts';

const log = createLogger('test', 'silent');

test('a port that somebody else has taken meanwhile costs one try, not the process', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port: taken } = other.address() as AddressInfo;
  t.teardown(() => other.close());
  await t.throwsAsync(
    installRuntime(log, async () => taken),
    { message: /in use/i },
  );
  const ports: number[] = [];
  const next = async (): Promise<number> => {
    const port = await freePort();
    ports.push(port);
    return port;
  };
  await t.notThrowsAsync(installRuntime(log, next));
  await installRuntime(log, next);
  t.is(ports.length, 1, 'what is installed stays');
});
