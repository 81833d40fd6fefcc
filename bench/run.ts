import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../local/layouts.ts';
import { type BENCHES as NAMES, readOptions } from '../local/options.mjs';
import { type Stack, startStack } from '../local/stack.ts';
import { stopRequest } from '../local/stop-request.ts';

type Bench = (typeof NAMES)[number];

/**
 * `npm run bench NAME`: measures and prints. Every number comes with its baseline from the same run: absolute times
 * depend on the machine. All but `callers`, which needs none, `start` and `services`, which start their own, are given a system of their own, empty and on free ports.
 */
const BENCHES: Record<Bench, () => Promise<void>> = {
  command: async () => onStack((await import('./command.ts')).run),
  reads: async () => {
    const { run } = await import('./reads.ts');
    await onStack((stack) => run(stack, rest));
  },
  relay: async () => onStack((await import('./relay.ts')).run),
  faults: async () => onStack((await import('./faults.ts')).run),
  refusals: async () => onStack((await import('./refusals.ts')).run),
  idle: async () => onStack((await import('./idle.ts')).run),
  queues: async () => onStack((await import('./queues.ts')).run),
  callers: async () => (await import('./callers.ts')).run(),
  services: async () => (await import('./services.ts')).run(),
  start: async () => (await import('./start.ts')).run(values),
  // Auth has a process of its own: what it takes is what is measured.
  checks: async () => onStack((await import('./checks.ts')).run, 'each'),
  access: async () => {
    const { run } = await import('./access.ts');
    await onStack((stack) => run(stack, values));
  },
  positions: async () => {
    const { run } = await import('./positions.ts');
    await onStack((stack) => run(stack, values));
  },
  // As for the checks.
  groups: async () => {
    const { run } = await import('./groups.ts');
    await onStack((stack) => run(stack, values), 'each');
  },
};

const { values, positionals } = readOptions('bench/run.ts', process.argv.slice(2));
const [name = '', ...rest] = positionals;
try {
  await BENCHES[name as Bench]();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

/** @param processes where the command line names no layout */
async function onStack(measure: (stack: Stack) => Promise<void>, processes: Layout = 'few'): Promise<void> {
  const dataDir = join(import.meta.dirname, '..', '.musubi', `bench-${process.pid}`);
  const request = stopRequest(() => process.exit(130));
  // A few members stand for many: what bounds one member's commands over time would be all that is measured.
  const env = { MUSUBI_JOB_RATE_PER_MEMBER: '100000+100000/1s', MUSUBI_AUTH_RENAMES: '100000+100000/1s' };
  const stack = await startStack({
    dataDir,
    fresh: true,
    ports: 'free',
    processes: values.processes ?? processes,
    env,
    signal: request.signal,
  });
  const stop = async (): Promise<void> => {
    await stack.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  void request.asked.then(stop).then(() => process.exit(130));
  try {
    // What a client of the system would find in its environment.
    Object.assign(process.env, stack.addresses, {
      MUSUBI_ADMIN_LOGIN_ID: stack.admin.loginId,
      MUSUBI_ADMIN_PASSWORD: stack.admin.password,
    });
    await measure(stack);
  } finally {
    await stop();
  }
}
