import { setTimeout as sleep } from 'node:timers/promises';
import { MusubiError, reasonOf } from './errors.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';

export interface Patience {
  /** Who is waited for, for the log. */
  server: string;
  /** When to give up, by `performance.now()`; default: in a minute. */
  deadline?: number;
  /** What an error of the server's client means; default: itself. */
  toKnown?: (error: unknown) => unknown;
  log: Logger;
  lifecycle: Lifecycle;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Repeats what fails because a server is not up yet (a retryable MusubiError), until it works, it is time to give up,
 * or the process stops.
 *
 * @throws the last error as it is known, when it was given up or is of another kind
 */
export async function patiently<T>(work: () => Promise<T>, o: Patience): Promise<T> {
  const { server, deadline = performance.now() + 60_000, toKnown = (error) => error, log, lifecycle } = o;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      const known = toKnown(error);
      if (!(known instanceof MusubiError && known.retryable) || performance.now() > deadline || lifecycle.stopping) throw known;
      log.info({ reason: reasonOf(error) }, `waiting for ${server}`);
      await sleep(pause);
    }
  }
}
