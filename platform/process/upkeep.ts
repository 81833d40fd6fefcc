import { startLoop } from '../concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';

const EVERY_MS = 10_000;

/**
 * Makes what a store or a server must hold for us (indexes, definitions), and makes it again every ten seconds until the
 * process stops, as the holder may have lost it since. While it cannot be made, the process is degraded.
 *
 * @param make makes what is missing, and leaves alone what is there
 * @throws when it cannot be made the first time: nothing is registered then
 */
export async function keepMade(
  name: string,
  make: () => Promise<unknown>,
  { log, lifecycle }: { log: Logger; lifecycle: Lifecycle },
): Promise<void> {
  await make();
  const loop = startLoop(make, { name: `making ${name}`, log, everyMs: EVERY_MS, later: true, longestPauseMs: EVERY_MS });
  lifecycle.onHealthy(name, () => loop.check());
  lifecycle.onStop(name, 'work', () => loop.stop(LOOP_STOP_TIMEOUT_MS));
}
