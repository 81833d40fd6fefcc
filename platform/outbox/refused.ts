/** What waits is met each 13 s at most: an event that was not met for so long is no longer in the outbox. */
const FORGET_MS = 25_000;

interface Refusal {
  reason: string;
  /** When there is use in trying again. */
  again: number;
  metAt: number;
}

/**
 * The events of an outbox that can't be sent: no broker takes them, or they are none. They hold up no other and stay where
 * they are; each is tried again whenever it is met, or a while later, so that mending it, the program or the broker is enough.
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
