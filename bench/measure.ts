import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** One way of doing something many times. */
export interface Series {
  name: string;
  concurrency: number;
  /** Milliseconds of each, ascending. */
  times: number[];
  /** Of the whole series. */
  seconds: number;
  /** CPU milliseconds by process. */
  cpu: Record<string, number>;
}

/** Clock ticks a second (getconf CLK_TCK): 100 on every Linux that Node runs on. */
const TICKS = 100;

/** User and system CPU so far of a process and of all that it has started, also of what has ended since, ms. */
export function cpuMs(pid: number): number {
  return [pid, ...descendants(pid)].map((each) => stat(each)).reduce((sum, one) => sum + (one ? one.cpu + one.ended : 0), 0);
}

/** All that a process has started, and what that has started, and so on. */
export function descendants(pid: number): number[] {
  const all = processes();
  const below = (of: number): number[] =>
    all.filter(({ parent }) => parent === of).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(pid);
}

/** User and system CPU so far of a process's threads of this name, ms. */
export function threadsMs(pid: number, name: string): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks)
    .filter((task) => readFileSync(`${tasks}/${task}/comm`, 'utf8').trim() === name)
    .reduce((sum, task) => sum + (stat(Number(task), tasks)?.cpu ?? 0), 0);
}

function processes(): { pid: number; parent: number; cpu: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => stat(Number(name)) ?? []);
}

/** @returns `cpu`: its own, `ended`: that of those it has started that have ended, ms */
function stat(pid: number, folder = '/proc'): { pid: number; parent: number; cpu: number; ended: number } | undefined {
  try {
    // Fields are counted after the command's name, which may hold anything but ends with ") ".
    const fields = readFileSync(`${folder}/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const ms = (from: number): number => ((Number(fields[from]) + Number(fields[from + 1])) * 1_000) / TICKS;
    return { pid, parent: Number(fields[1]), cpu: ms(11), ended: ms(13) };
  } catch {
    return undefined;
  }
}

/** Does `work(i)` for i = 0 … count − 1, `concurrency` at a time. */
export async function series(
  name: string,
  { count, concurrency, pids }: { count: number; concurrency: number; pids: Record<string, number> },
  work: (i: number, lane: number) => Promise<void>,
): Promise<Series> {
  const everybody: Record<string, number> = { ...pids };
  const before = Object.entries(everybody).map(([name, pid]) => [name, cpuMs(pid)] as const);
  const own = process.cpuUsage();
  const times: number[] = [];
  let next = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      for (let i = next++; i < count; i = next++) {
        const start = performance.now();
        await work(i, lane);
        times.push(performance.now() - start);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1_000;
  const cpu = Object.fromEntries(before.map(([name, ms]) => [name, cpuMs(everybody[name] ?? 0) - ms]));
  const self = process.cpuUsage(own);
  cpu['the benchmark'] = (self.user + self.system) / 1_000;
  times.sort((a, b) => a - b);
  return { name, concurrency, times, seconds, cpu };
}

const LOOK_MS = 5_000;
const LOOKS = 60;
/** Cores. */
const AT_REST = 0.4;

/** Waits until these processes have done what was begun before: until all together they take little for a while, 5 min at most. */
export async function settled(pids: Record<string, number>): Promise<void> {
  const all = (): number => Object.values(pids).reduce((sum, pid) => sum + cpuMs(pid), 0);
  for (let look = 0, before = all(); look < LOOKS; look++) {
    await sleep(LOOK_MS);
    const now = all();
    if (now - before < LOOK_MS * AT_REST) return;
    before = now;
  }
}

/** Several of the same kind as one. */
export function merged(parts: readonly Series[]): Series {
  const [first] = parts;
  if (!first) throw new Error('nothing was measured');
  const cpu: Record<string, number> = {};
  for (const part of parts) for (const [name, ms] of Object.entries(part.cpu)) cpu[name] = (cpu[name] ?? 0) + ms;
  const times = parts.flatMap((part) => part.times).sort((a, b) => a - b);
  return { ...first, times, seconds: parts.reduce((sum, { seconds }) => sum + seconds, 0), cpu };
}

export const quantile = ({ times }: Series, q: number): number =>
  times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? Number.NaN;
export const throughput = ({ times, seconds }: Series): number => times.length / seconds;

/** Rows as a Markdown table with aligned columns. */
export function table(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? round(cell) : cell)))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [first = [], ...rest] = cells;
  return [line(first), rule, ...rest.map(line)].join('\n');
}

export const round = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1));
