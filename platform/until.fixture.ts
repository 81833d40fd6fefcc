import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for what has to come, ms: only a fault takes so long, also on a machine that others keep busy. */
const PATIENCE_MS = 300_000;

/** Waits until `condition` holds; rejects, and names `what`, when it did not within `ms`. */
export async function until(condition: () => unknown, what = String(condition), ms = PATIENCE_MS): Promise<void> {
  for (const deadline = performance.now() + ms; !(await condition()); await sleep(25)) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
  }
}
