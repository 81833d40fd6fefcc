import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../local/stack.ts';
import { cpuMs, descendants, table } from './measure.ts';

const SECONDS = 60;

/** `npm run bench idle`: memory and CPU of everything while nobody asks for anything, over a minute. */
export async function run(stack: Stack): Promise<void> {
  await sleep(20_000); // what a start leaves behind settles
  const pids = Object.entries({ ...stack.pids(), launcher: process.pid });
  const before = new Map(pids.map(([name, pid]) => [name, cpu(pid)]));
  await sleep(SECONDS * 1_000);
  const rows = pids.map(([name, pid]): [string, number, number, number] => [
    name,
    (cpu(pid) - (before.get(name) ?? 0)) / (SECONDS * 10),
    memory(pid, 'Rss'),
    memory(pid, 'Pss'),
  ]);
  const sum = rows.reduce<[string, number, number, number]>(
    ([, cpu, rss, pss], row) => ['sum', cpu + row[1], rss + row[2], pss + row[3]],
    ['sum', 0, 0, 0],
  );
  process.stdout.write(`${table(['process', '% of a core', 'RSS MB', 'PSS MB'], [...rows, sum])}\n`);
}

/** Of this process, which stands for the launcher, its own alone: it has started all the others. */
function cpu(pid: number): number {
  const { user, system } = process.cpuUsage();
  return pid === process.pid ? (user + system) / 1_000 : cpuMs(pid);
}

/** Resident memory of a process and of all that it has started, MB. Pss counts pages that processes share once, divided among them. */
export function memory(pid: number, kind: 'Rss' | 'Pss'): number {
  return [pid, ...(pid === process.pid ? [] : descendants(pid))].reduce((sum, each) => sum + ownMemory(each, kind), 0);
}

function ownMemory(pid: number, kind: 'Rss' | 'Pss'): number {
  return (
    Number(
      readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').match(new RegExp(`^${kind}:\\s+(\\d+) kB`, 'm'))?.[1] ?? Number.NaN,
    ) / 1_024
  );
}
