/** How long an event that was refused is not tried again. */
const RETRY_MS = 30_000;
/** An event that was not met for so long is no longer in the outbox: somebody has removed it. */
const FORGET_MS = 60_000;

interface Refusal {
  reason: string;
  triedAt: number;
  metAt: number;
}

/**
 * The events of an outbox that can't be sent: no broker takes them, or they are none. They hold up no other and stay where
 * they are; each is tried again when it is met after half a minute, so that mending it, the program or the broker is enough.
 */
export class Refused {
  readonly #byKey = new Map<string, Refusal>();

  /** @returns whether it is new */
  add(key: string, reason: string, now = performance.now()): boolean {
    const known = this.#byKey.get(key)?.reason === reason;
    this.#byKey.set(key, { reason, triedAt: now, metAt: now });
    return !known;
  }

  sent(key: string): void {
    this.#byKey.delete(key);
  }

  /** Whether it was refused so recently that there is no use in trying. */
  recently(key: string, now = performance.now()): boolean {
    const refusal = this.#byKey.get(key);
    if (!refusal) return false;
    refusal.metAt = now;
    return now - refusal.triedAt < RETRY_MS;
  }

  /** Why each of them can't be sent. */
  reasons(now = performance.now()): string[] {
    for (const [key, { metAt }] of this.#byKey) if (now - metAt > FORGET_MS) this.#byKey.delete(key);
    return [...this.#byKey.values()].map(({ reason }) => reason);
  }
}
