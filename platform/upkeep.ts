import type { Lifecycle } from './lifecycle.ts';
import { type Logger, logDefect } from './log.ts';

const EVERY_MS = 10_000;

/**
 * Makes what a store or a server must hold for us (indexes, definitions), and makes sure of it again every ten seconds
 * until the process stops: who holds it may have lost it since. While it can't be made the process is degraded.
 *
 * @param make makes what is missing, and leaves alone what is there
 * @throws when it can't be made the first time: nothing is registered then
 */
export async function keepMade(
  name: string,
  make: () => Promise<unknown>,
  { log, lifecycle }: { log: Logger; lifecycle: Lifecycle },
): Promise<void> {
  await make();
  let failure: unknown;
  const again = async (): Promise<void> => {
    try {
      await make();
      if (failure) log.info({ name }, 'made again');
      failure = undefined;
    } catch (error) {
      // Once, not every ten seconds.
      if (!failure) log.warn({ err: error, name }, 'could not make sure that it is there; it is tried again and again');
      failure = error;
    }
  };
  const timer = setInterval(() => {
    again().catch(logDefect(log, `${name} is not looked after`));
  }, EVERY_MS);
  lifecycle.onStop(name, 'work', () => clearInterval(timer));
  lifecycle.onHealthy(name, () => {
    if (failure) throw failure;
  });
}
