/**
 * The events that one relay has under way: handed over to be sent, and not yet out of the outbox. A sweep reads the outbox
 * as of one moment, so it also meets what was sent before that moment and not yet removed, or removed since. To send that
 * once more would put an old event behind newer ones of its key, and a compacted topic would keep the old one.
 */
export class InFlight {
  /** By key, whether a sweep has found it; such a one is not met again by the same sweep. */
  readonly #found = new Map<string, boolean>();
  /** What has left the outbox since the sweep that is under way began. */
  #left: Set<string> | undefined;

  /** Whether a sweep is under way. One at a time. */
  get sweeping(): boolean {
    return this.#left !== undefined;
  }

  /** Notes events that the log or stream has reported. */
  reported(keys: readonly string[]): void {
    for (const key of keys) this.#found.set(key, false);
  }

  /** Forgets events that are out of the outbox, or that stay there because they can't be sent. */
  ended(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#found.get(key) === false) this.#left?.add(key);
      this.#found.delete(key);
    }
  }

  /** Of the rows of a sweep, page by page, those that are not under way and were not when it began; they are from now on. */
  async *sweep<Row>(pages: AsyncIterable<Row[]>, keyOf: (row: Row) => string): AsyncGenerator<Row[]> {
    const left = new Set<string>();
    this.#left = left;
    try {
      for await (const page of pages) {
        const rows = page.filter((row) => !this.#found.has(keyOf(row)) && !left.has(keyOf(row)));
        for (const row of rows) this.#found.set(keyOf(row), true);
        if (rows.length > 0) yield rows;
      }
    } finally {
      this.#left = undefined;
    }
  }
}
