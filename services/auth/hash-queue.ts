import { Gauge } from '@prometheus-io/client';
import { Turns } from '#platform/concurrency/turns.ts';
import { resourceExhausted } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';

const waiting = new Gauge({
  name: 'musubi_auth_hash_queue',
  help: 'Passwords waiting to be hashed, by lane',
  labelNames: ['lane'],
  registers: [metrics],
});

/**
 * Lanes take turns with each other, so none waits for what another brings:
 *
 * - `registration`: of new members, by those who may register some
 * - `device`: logins from a device that the member has logged in from before
 * - `known`: those from a source that it has logged in from before
 * - `unknown`: all other logins
 */
export type Lane = 'registration' | 'device' | 'known' | 'unknown';

/**
 * Whose hash it is, from the general to the particular. Those of one name take turns with each other, and so do the names
 * of one lane or of one wider name. A name that its bearer can have many of must come after one that it can not: it would
 * have a turn for each.
 */
export type Turn = readonly [lane: Lane, ...names: string[]];

/** Who has waited so long is refused, well before its caller gives up. */
const LONGEST_WAIT_MS = 10_000;

/** What one name may hold of a lane's places: the most particular one, and any wider one. */
const SHARES = { last: 1 / 8, wider: 1 / 2 };

/**
 * Runs a bounded number of hashes at once, the rest in turns. A password hash is expensive on purpose: without a
 * bound, a burst of logins would leave no CPU for other work; and without turns, who asks most would be the
 * only one to be served.
 */
export class HashQueue {
  readonly #turns: Turns;

  /**
   * @param concurrency how many run at once
   * @param places how many may wait in each lane
   * @param longestWaitMs how long
   */
  constructor(concurrency: number, places: number, longestWaitMs = LONGEST_WAIT_MS) {
    const share = (depth: number, { length }: readonly string[]): number => {
      if (depth === 0) return Number.POSITIVE_INFINITY;
      if (depth === 1) return places;
      return Math.ceil(places * (depth === length ? SHARES.last : SHARES.wider));
    };
    this.#turns = new Turns(concurrency, {
      places: share,
      longestWaitMs,
      refusal: tooBusy,
      onChange: (lane, count) => waiting.set({ lane }, count),
    });
  }

  /**
   * @param signal a caller that gives up while it waits costs nothing
   * @throws TOO_BUSY when too many wait already, also later: for the sake of others who have fewer waiting, or when it
   *   takes too long; CALLER_GONE
   */
  run<T>(turn: Turn, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turns.take(work, { name: turn, signal });
  }
}

const tooBusy = () => resourceExhausted('TOO_BUSY', 'too many logins at once; try again in a moment', { retryAfterSeconds: 1 });
