import { Gauge } from '@prometheus-io/client';
import { deadlineExceeded, resourceExhausted } from '#platform/errors.ts';
import { metrics } from '#platform/telemetry.ts';

const waiting = new Gauge({
  name: 'musubi_auth_hash_queue',
  help: 'Passwords waiting to be hashed',
  registers: [metrics],
});

interface Waiter {
  start: () => void;
}

/**
 * Runs a bounded number of hashes at once, the rest in the order they came. A password hash is
 * expensive on purpose: without a bound, a burst of logins would leave no CPU for anything else.
 */
export class HashQueue {
  readonly #concurrency: number;
  readonly #limit: number;
  readonly #waiters: Waiter[] = [];
  #running = 0;

  /**
   * @param concurrency how many run at once
   * @param limit how many may wait
   */
  constructor(concurrency: number, limit: number) {
    this.#concurrency = concurrency;
    this.#limit = limit;
  }

  /**
   * @param signal a caller that gives up while it waits costs nothing
   * @throws TOO_BUSY when too many wait already
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#running < this.#concurrency) this.#running++;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      // A turn is handed on rather than freed, so that nobody overtakes those who wait.
      const next = this.#waiters.shift();
      waiting.set(this.#waiters.length);
      if (next) next.start();
      else this.#running--;
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiters.length >= this.#limit) {
      throw resourceExhausted('TOO_BUSY', 'too many logins at once; try again in a few seconds');
    }
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        waiting.set(this.#waiters.length);
        reject(deadlineExceeded('CALLER_GONE', 'the caller stopped waiting'));
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      if (signal?.aborted) return reject(deadlineExceeded('CALLER_GONE', 'the caller stopped waiting'));
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiters.push(waiter);
      waiting.set(this.#waiters.length);
    });
  }
}
