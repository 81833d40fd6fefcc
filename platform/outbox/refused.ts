/**
 * A refused event is read again at least every 13 s (OVERDUE_MS + LOOK_EVERY_MS). One that was not read for this long
 * has left the outbox.
 */
const FORGET_MS = 25_000;

interface Refusal {
  reason: string;
  /** When there is use in trying again. */
  again: number;
  metAt: number;
}

/**
 * Events of an outbox that cannot be sent: no broker accepts them, or they are not valid events. They block no other
 * event and stay in the outbox. Each is tried again when it is next read after its pause, so repairing the row, the
 * program or the broker suffices.
 */
export class Refused {
  readonly #byKey = new Map<string, Refusal>();

  /**
   * @param pauseMs how long not to try it again
   * @returns whether it is new
   */
  add(key: string, reason: string, pauseMs: number, now = performance.now()): boolean {
    const known = this.#byKey.get(key)?.reason === reason;
    this.#byKey.set(key, { reason, again: now + pauseMs, metAt: now });
    return !known;
  }

  sent(key: string): void {
    this.#byKey.delete(key);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether there is no use in trying it now. */
  pauses(key: string, now = performance.now()): boolean {
    const refusal = this.#byKey.get(key);
    if (!refusal) return false;
    refusal.metAt = now;
    return now < refusal.again;
  }

  /** Why each of them can't be sent. */
  reasons(now = performance.now()): string[] {
    for (const [key, { metAt }] of this.#byKey) if (now - metAt > FORGET_MS) this.#byKey.delete(key);
    return [...this.#byKey.values()].map(({ reason }) => reason);
  }
}
