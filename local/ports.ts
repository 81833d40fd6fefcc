import { randomInt } from 'node:crypto';
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

  /** This port, or an error that names it. */
  async reserveExactly(port: number): Promise<number> {
    if (await this.#take(port)) return port;
    throw new Error(`port ${port} is in use on 127.0.0.1`);
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
export function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
