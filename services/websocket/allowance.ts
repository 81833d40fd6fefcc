/**
 * So much a second, and after a quiet time so much at once (a token bucket). What is spent beyond that is owed.
 */
export class Allowance {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at = performance.now();

  /** @param burst what can be spent at once. Default: that of a second. */
  constructor(perSecond: number, burst = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
  }

  /** @returns milliseconds until it is paid for; 0 when it is within the allowance */
  spend(amount: number): number {
    const now = performance.now();
    const earned = this.#left + ((now - this.#at) / 1_000) * this.#perSecond;
    // A credit beyond the burst stays until it is spent.
    this.#left = Math.max(this.#left, Math.min(this.#burst, earned)) - amount;
    this.#at = now;
    return this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1_000;
  }

  /** Adds what so many milliseconds bring, beyond the burst, too. */
  credit(ms: number): void {
    this.#left += (ms / 1_000) * this.#perSecond;
  }
}
