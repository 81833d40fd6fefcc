/** What has run for so long has worked: its next failure is a new one. */
const STEADY_MS = 30_000;

/** The pauses between tries of what fails. Each is at random up to a half shorter, so that many processes do not try at the same moment. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #failures = 0;

  /**
   * @param firstMs the first pause; each further one is twice as long
   * @param longestMs no pause is longer
   */
  constructor(firstMs = 200, longestMs = 3_000) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /**
   * The pause after a failure, in milliseconds.
   *
   * @param ranForMs how long the work had run; after more than 30 s the pauses begin with the first
   */
  next(ranForMs = 0): number {
    if (ranForMs > STEADY_MS) this.#failures = 0;
    const longest = Math.min(this.#firstMs * 2 ** this.#failures++, this.#longestMs);
    return longest * (1 - Math.random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
