import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { type Lock, tryLock } from './lock.ts';

/**
 * Reserves ports on loopback. A reservation is a lock of the whole machine that lasts as long as the stack, so two
 * stacks never choose the same port, not even while the server that owns it is being restarted.
 */
export class Ports {
  readonly #held = new Map<number, Lock>();

  /** The first of the wanted ports that is free, else any free one. */
  async reserve(...wanted: (number | undefined)[]): Promise<number> {
    for (const port of wanted) if (port !== undefined && (await this.#take(port))) return port;
    for (let tries = 0; tries < 500; tries++) {
      // Below Linux's range for outgoing connections (32768 up): one of those could sit on the port of a stopped server.
      const port = randomInt(15_000, 32_000);
      if (await this.#take(port)) return port;
    }
    throw new Error('no free port was found on 127.0.0.1');
  }

  /** This port, or an error that says who has it, or that it is for root only. */
  async reserveExactly(port: number): Promise<number> {
    if (await this.#take(port)) return port;
    const refusal = await refusalOf(port);
    if (refusal === 'EACCES')
      throw new Error(`port ${port} is for root only: give a --port from 1024 on, or --port 0 for free ones`);
    const holder = refusal === undefined ? 'another start of Musubi' : listenerOn(port);
    throw new Error(
      `port ${port} is in use on 127.0.0.1${holder ? `, by ${holder}` : ''}: give another --port, or --port 0 for free ones`,
    );
  }

  async release(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lock) => lock.release()));
    this.#held.clear();
  }

  async #take(port: number): Promise<boolean> {
    if (this.#held.has(port)) return false;
    const lock = await tryLock(`port ${port}`);
    if (!lock) return false;
    if (await isFree(port)) {
      this.#held.set(port, lock);
      return true;
    }
    await lock.release();
    return false;
  }
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export const isFree = async (port: number): Promise<boolean> => (await refusalOf(port)) === undefined;

/** Why no server can listen on this port of 127.0.0.1 now: an errno. Undefined: one can. */
function refusalOf(port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Who listens on a port, as `command (pid 7)`: known of this user's processes, and to root of all. proc(5) */
function listenerOn(port: number): string | undefined {
  const LISTEN = '0A';
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((table) => lines(table).slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(ending) && state === LISTEN)
    .map((fields) => `socket:[${fields[9]}]`);
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    if (!openFiles(pid).some((file) => sockets.includes(file))) continue;
    const command = lines(`/proc/${pid}/cmdline`).join(' ').split('\0').join(' ').trim();
    return `${command.slice(0, 60)} (pid ${pid})`;
  }
  return undefined;
}

const lines = (file: string): string[] => unlessGone(() => readFileSync(file, 'utf8').trim().split('\n'), []);

function openFiles(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  // What is somebody else's, or has been closed or ended meanwhile, cannot be read.
  return unlessGone(() => readdirSync(folder), []).map((fd) => unlessGone(() => readlinkSync(`${folder}/${fd}`), ''));
}

function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
