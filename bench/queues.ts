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
  const each = Array.from({ length: DOMAINS }, (_, i) => `bench-domain-${i}`);
  const rows: [string, number, number, number][] = [];
  for (const [what, queues] of [
    [`${DOMAINS} domains, one queue`, ['bench-shared']],
    [`${DOMAINS} domains, a queue each`, each],
  ] as const) {
    const worker = fork(join(import.meta.dirname, 'queues-worker.ts'), [address, ...queues]);
    const pid = worker.pid ?? Number.NaN;
    await once(worker, 'message');
    await sleep(SETTLE_MS);
    rows.push([what, await cpuOf(pid), memory(pid, 'Rss'), memory(pid, 'Pss')]);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }
  const titles = ['', '% of a core', 'RSS MB', 'PSS MB'];
  process.stdout.write(`${table(titles, rows)}\n`);
}

/** The CPU that a process takes while nothing is to be done, % of a core. */
async function cpuOf(pid: number): Promise<number> {
  const before = cpuMs(pid);
  await sleep(SECONDS * 1_000);
  return (cpuMs(pid) - before) / (SECONDS * 10);
}
