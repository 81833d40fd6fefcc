import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be confused with a later one of the same number. */
export interface Identity {
  pid: number;
  /** Clock ticks from the machine's boot to the process's start. */
  startTime: string;
  bootId: string;
}

/** The identity of a running process; undefined when there is none of this number. */
export function identify(pid: number): Identity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name stands in brackets and may hold spaces; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    // A zombie has ended; only its parent has not noticed.
    if (startTime === undefined || fields[0] === 'Z') return undefined;
    return { pid, startTime, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
  } catch {
    return undefined;
  }
}

export function isAlive(process: Identity): boolean {
  const now = identify(process.pid);
  return now?.startTime === process.startTime && now.bootId === process.bootId;
}

interface Entry extends Identity {
  stopSignal: NodeJS.Signals;
  graceMs: number;
}

/** The processes of a stack, written down so that the next start can clear what a killed launcher left running. */
export class PidsFile {
  readonly #path: string;
  readonly #entries: Record<string, Entry> = {};

  constructor(path: string) {
    this.#path = path;
  }

  /** Synchronous, right after the spawn: between the two there must be no moment at which we could be killed. */
  add(name: string, pid: number, stopSignal: NodeJS.Signals, graceMs: number): void {
    const identity = identify(pid);
    if (!identity) return;
    this.#entries[name] = { ...identity, stopSignal, graceMs };
    this.#write();
  }

  remove(name: string): void {
    delete this.#entries[name];
    this.#write();
  }

  #write(): void {
    writeFileSync(`${this.#path}.new`, `${JSON.stringify(this.#entries, null, 1)}\n`, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}

export function readPids(path: string): Record<string, Entry> {
  try {
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  } catch {
    // A machine that lost power can leave an empty file; then none of those processes runs either.
    return {};
  }
}

/** Ends the processes that a dead launcher left behind: first asks, then forces. Returns their names. */
export async function stopLeftovers(path: string): Promise<string[]> {
  const left = Object.entries(readPids(path)).filter(([, entry]) => isAlive(entry));
  const began = performance.now();
  for (const [, entry] of left) signal(entry, entry.stopSignal);
  while (left.some(([, entry]) => isAlive(entry))) {
    for (const [, entry] of left) if (performance.now() - began > entry.graceMs) signal(entry, 'SIGKILL');
    await sleep(50);
  }
  return left.map(([name]) => name);
}

function signal(entry: Identity, name: NodeJS.Signals): void {
  try {
    if (isAlive(entry)) process.kill(entry.pid, name);
  } catch {
    // It ended in between.
  }
}
