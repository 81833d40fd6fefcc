import { startLoop } from '../concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';

const DAY_SECONDS = 86_400;

/**
 * How long an operation's record or tombstone is kept: what was done or undone, and what a repeat answers. An undo that
 * finds no record does nothing and calls that done, and sagas retry an undo without limit: records must outlast every outage.
 */
export const OPERATIONS_KEPT_SECONDS = 365 * DAY_SECONDS;

/**
 * How long what an undo needs is kept. It may hold what a member was called, also one that is deleted, so it goes long
 * before the record does. A saga that undoes so late is refused, and stays under its alarm until somebody looks.
 */
export const UNDO_KEPT_SECONDS = 30 * DAY_SECONDS;

const PRUNE_EVERY_MS = 3_600_000;

/** Runs `prune` now and every hour until the process stops, for stores that do not forget by themselves. */
export function pruneHourly(
  prune: () => Promise<void>,
  { database, log, lifecycle }: { database: string; log: Logger; lifecycle: Lifecycle },
): void {
  const loop = startLoop(prune, { name: `pruning ${database}`, log, everyMs: PRUNE_EVERY_MS, longestPauseMs: PRUNE_EVERY_MS });
  lifecycle.onStop(`pruning ${database}`, 'work', () => loop.stop(LOOP_STOP_TIMEOUT_MS));
}
