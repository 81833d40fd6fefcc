import type { Db } from 'mongodb';
import { startLoop } from '#platform/concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '#platform/concurrency/timeouts.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';

/** What Auth knows of the time. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

/** How often the store is asked for its time: a host that slept, or a new primary, is noticed within this. */
const MEASURE_EVERY_MS = 10_000;
/** The store is asked so often each time; the answer that came fastest tells best. */
const SAMPLES = 3;
/** An answer that took longer tells too little. */
const SLOWEST_SAMPLE_MS = 1_000;

/**
 * The store's time, which is the same for every process of Auth, also where their hosts' clocks differ: a token that one of
 * them issues is neither expired nor of the future to another. Between two measurements it goes on with this host's
 * monotonic clock, which nobody sets.
 */
export class StoreClock implements Clock {
  readonly #read: () => Promise<Date>;
  #ahead: number | undefined;

  /** @param read asks the store for its time */
  constructor(read: () => Promise<Date>) {
    this.#read = read;
  }

  now(): number {
    if (this.#ahead === undefined) throw new Error('the clock was never measured');
    return Math.floor(performance.now() + this.#ahead);
  }

  /** Asks the store for its time. Once the clock has been measured, slow answers are ignored. */
  async measure(): Promise<void> {
    let fastest = this.#ahead === undefined ? Number.POSITIVE_INFINITY : SLOWEST_SAMPLE_MS;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const asked = performance.now();
      const time = await this.#read();
      const answered = performance.now();
      if (answered - asked >= fastest) continue;
      fastest = answered - asked;
      this.#ahead = time.getTime() - (asked + answered) / 2;
    }
  }
}

/** Opens the clock, and measures it every `everyMs` until the process stops. */
export async function openClock(
  db: Pick<Db, 'command'>,
  log: Logger,
  lifecycle: Lifecycle,
  everyMs = MEASURE_EVERY_MS,
): Promise<Clock> {
  // Of the primary, whichever that is.
  const clock = new StoreClock(async () => (await db.command({ hello: 1 })).localTime as Date);
  await clock.measure();
  const loop = startLoop(() => clock.measure(), { name: "measuring the store's time", log, everyMs, later: true });
  lifecycle.onStop('clock', 'work', () => loop.stop(LOOP_STOP_TIMEOUT_MS));
  return clock;
}
