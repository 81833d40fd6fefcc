import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '../local/stack.ts';

/**
 * `npm run bench NAME`: starts a system of its own, empty and on free ports, measures, prints, and stops it.
 * Every number comes with its baseline from the same run: absolute times depend on the machine.
 */
const BENCHES: Record<string, () => Promise<{ run(stack: Awaited<ReturnType<typeof startStack>>): Promise<void> }>> = {
  command: () => import('./command.ts'),
  relay: () => import('./relay.ts'),
  faults: () => import('./faults.ts'),
  idle: () => import('./idle.ts'),
};

const load = BENCHES[process.argv[2] ?? ''];
if (!load) {
  process.stderr.write(`usage: npm run bench NAME\n\nnames: ${Object.keys(BENCHES).join(', ')}\n`);
  process.exit(2);
}
const dataDir = join(import.meta.dirname, '..', '.musubi', `bench-${process.pid}`);
const stack = await startStack({ dataDir, fresh: true, ports: 'free' });
const stop = async (code: number): Promise<never> => {
  await stack.stop();
  rmSync(dataDir, { recursive: true, force: true });
  process.exit(code);
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(130));
try {
  // What a client of the system would find in its environment.
  Object.assign(process.env, stack.addresses, {
    MUSUBI_ADMIN_LOGIN_ID: stack.admin.loginId,
    MUSUBI_ADMIN_PASSWORD: stack.admin.password,
  });
  await (await load()).run(stack);
  await stop(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  await stop(1);
}
