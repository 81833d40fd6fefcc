import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../local/stack.ts';
import { memory } from './idle.ts';
import { cpuMs, table } from './measure.ts';

const DOMAINS = 8;
const SETTLE_MS = 15_000;
const SECONDS = 30;

/** `npm run bench queues`: what it costs to work for eight domains, on one task queue or on one each, while nothing is to be done. */
export async function run(stack: Stack): Promise<void> {
  const { MUSUBI_TEMPORAL_ADDRESS: address = '' } = stack.addresses;
  const temporal = stack.pids().temporal ?? Number.NaN;
  const each = Array.from({ length: DOMAINS }, (_, i) => `bench-domain-${i}`);
  const rows: [string, number, number, number, number, number][] = [];
  const before = await cpuOf({ temporal });
  for (const [what, queues] of [
    [`${DOMAINS} domains, one queue`, ['bench-shared']],
    [`${DOMAINS} domains, a queue each`, each],
  ] as const) {
    const worker = fork(join(import.meta.dirname, 'queues-worker.ts'), [address, ...queues]);
    const pid = worker.pid ?? Number.NaN;
    await once(worker, 'message');
    await sleep(SETTLE_MS);
    const cpu = await cpuOf({ worker: pid, temporal });
    rows.push([
      what,
      cpu.worker ?? 0,
      (cpu.temporal ?? 0) - (before.temporal ?? 0),
      memory(pid, 'Rss'),
      memory(pid, 'Pss'),
      queues.length,
    ]);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }
  const titles = ['', 'worker, % of a core', 'Temporal, % of a core more', 'RSS MB', 'PSS MB', 'queues'];
  process.stdout.write(`${table(titles, rows)}\n`);
}

/** The CPU that processes take while nothing is to be done, % of a core. */
async function cpuOf(pids: Record<string, number>): Promise<Record<string, number>> {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, cpuMs(pid)] as const);
  await sleep(SECONDS * 1_000);
  return Object.fromEntries(before.map(([name, pid, ms]) => [name, (cpuMs(pid) - ms) / (SECONDS * 10)]));
}
