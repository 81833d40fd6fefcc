/** How long an event may be the oldest of an outbox: longer means that nothing sends it. */
export const OVERDUE_MS = 10_000;

/**
 * Detects an outbox that nobody empties: the same event has been its oldest for {@link OVERDUE_MS}. Only this process's
 * monotonic clock is read, so the event's timestamp does not matter.
 */
export class Waiting {
  #oldest: string | undefined;
  #since = 0;
  #toldAt = 0;
  /** Whether the oldest event waits for too long, as of the last look. */
  overdue = false;

  /** @returns true when it is time to send what waits: now, and again each 10 s for as long as it does not help */
  look(oldest: string | undefined, now = performance.now()): boolean {
    if (oldest !== this.#oldest) {
      this.#oldest = oldest;
      this.#since = now;
      this.#toldAt = now;
    }
    this.overdue = oldest !== undefined && now - this.#since >= OVERDUE_MS;
    if (!this.overdue || now - this.#toldAt < OVERDUE_MS) return false;
    this.#toldAt = now;
    return true;
  }
}
