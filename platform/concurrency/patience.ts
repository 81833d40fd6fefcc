import { MusubiError, reasonOf } from '../errors.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { pause } from './abort.ts';
import { Backoff } from './backoff.ts';

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

/**
 * Repeats work that fails because a server is not up yet (a retryable MusubiError) until it succeeds, the deadline is
 * over, or the process stops. Why it waits is logged once until that changes. What never gives up is a loop (loop.ts).
 *
 * @throws the last error as it is known, when it was given up or is of another kind
 */
export async function patiently<T>(work: () => Promise<T>, o: Patience): Promise<T> {
  const { server, deadline = performance.now() + 60_000, toKnown = (error) => error, log, lifecycle } = o;
  const backoff = new Backoff(100, 2_000);
  for (let logged = ''; ; ) {
    try {
      return await work();
    } catch (error) {
      const known = toKnown(error);
      const reason = reasonOf(error);
      if (!(known instanceof MusubiError && known.retryable) || performance.now() > deadline) throw known;
      if (reason !== logged) log.info({ reason }, `waiting for ${server}`);
      logged = reason;
      await pause(backoff.next(), lifecycle.signal);
      if (lifecycle.stopping) throw known;
    }
  }
}
