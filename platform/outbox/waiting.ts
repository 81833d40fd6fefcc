/** How long an event may be the oldest of an outbox: longer means that nothing sends it. */
export const OVERDUE_MS = 10_000;

/**
 * Tells when what is in an outbox is not sent: the same event is its oldest for too long. Nothing but the time between two
 * looks is measured, by this process alone, so it does not matter what clock the event was stamped with.
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
