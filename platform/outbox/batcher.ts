/**
 * Sends what is pushed, in order: an item at once when nothing is under way, else together with all that gather
 * until the sending returns. So it is quick when there is little and efficient when there is much.
 */
export class Batcher<T> {
  readonly #send: (items: T[]) => Promise<void>;
  readonly #most: number;
  #waiting: T[] = [];
  #sending: Promise<void> | undefined;
  #closed = false;
  #onRoom: (() => void)[] = [];
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when sending fails; nothing is sent after that. Never resolves. */
  readonly failed: Promise<never>;

  /** @param most the most items of one sending */
  constructor(send: (items: T[]) => Promise<void>, most: number) {
    this.#send = send;
    this.#most = most;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined); // may come before anybody waits
  }

  push(item: T): void {
    if (this.#closed) return;
    this.#waiting.push(item);
    this.#sending ??= this.#drain();
  }

  /** Whether everything that was pushed has been sent. */
  get idle(): boolean {
    return this.#sending === undefined;
  }

  /** Whether so much is waiting that the source should pause until there is `room()`. */
  get full(): boolean {
    return this.#waiting.length >= 4 * this.#most;
  }

  async room(): Promise<void> {
    if (this.full) await new Promise<void>((resolve) => this.#onRoom.push(resolve));
  }

  /** Takes nothing more, waits for the sending that is under way and forgets the rest. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting = [];
    await this.#sending;
    this.#tellRoom();
  }

  async #drain(): Promise<void> {
    try {
      // Lets the source push all that it has at hand before the first is sent.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#waiting.length > 0) {
        await this.#send(this.#waiting.splice(0, this.#most));
        if (!this.full) this.#tellRoom();
      }
    } catch (error) {
      this.#closed = true;
      this.#waiting = [];
      this.#fail(error);
    } finally {
      this.#sending = undefined;
    }
  }

  #tellRoom(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }
}
