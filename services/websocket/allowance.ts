import { setTimeout as sleep } from 'node:timers/promises';

/**
 * So much a second, and after a quiet time so much at once (a token bucket). What is spent beyond that is owed.
 */
export class Allowance {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #most: number;
  #left: number;
  #at = performance.now();

  /**
   * @param burst what can be spent at once. Default: that of a second
   * @param most what can be spent at once by credit. Default: `burst`
   */
  constructor(perSecond: number, burst = perSecond, most = burst) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#most = most;
    this.#left = burst;
  }

  /** @returns milliseconds until it is paid for; 0 when it is within the allowance */
  spend(amount: number): number {
    this.#earn();
    this.#left -= amount;
    return this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1_000;
  }

  /** Spends, and waits until it is paid for, or `ending` aborts. */
  async pay(amount: number, ending: AbortSignal): Promise<void> {
    const wait = this.spend(amount);
    if (wait > 0) await sleep(wait, undefined, { ref: false, signal: ending }).catch(() => undefined);
  }

  /** Adds an amount, beyond the burst, too, where there may be more. */
  credit(amount: number): void {
    this.#left = Math.min(this.#most, this.#left + amount);
  }

  /** Whether it is as good as a new one. */
  get whole(): boolean {
    this.#earn();
    return this.#left >= this.#burst;
  }

  #earn(): void {
    const now = performance.now();
    const earned = this.#left + ((now - this.#at) / 1_000) * this.#perSecond;
    // A credit beyond the burst stays until it is spent.
    this.#left = Math.max(this.#left, Math.min(this.#burst, earned));
    this.#at = now;
  }
}
