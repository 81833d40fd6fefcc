/**
 * Sends what is pushed, in order: an item at once when nothing is under way, otherwise together with all that gather
 * until the sending returns. So it is quick when there is little and efficient when there is much.
 */
export class Batcher<T> {
  readonly #send: (items: T[]) => Promise<void>;
  readonly #most: number;
  readonly #gatherMs: number;
  #waiting: T[] = [];
  #sending: Promise<void> | undefined;
  #closed = false;
  #onRoom: (() => void)[] = [];
  #sendNow: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when sending fails; nothing is sent after that. Never resolves. */
  readonly failed: Promise<never>;

  /**
   * @param most the most items of one sending
   * @param gatherMs how long the first item waits for others; 0: for those that come in the same turn of the event loop
   */
  constructor(send: (items: T[]) => Promise<void>, most: number, gatherMs = 0) {
    this.#send = send;
    this.#most = most;
    this.#gatherMs = gatherMs;
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
    return this.#sending === undefined && !this.#closed;
  }

  /** Whether so much is waiting that the source should pause until there is `room()`. */
  get full(): boolean {
    return this.#waiting.length >= 4 * this.#most;
  }

  /** Returns when there is room, or nothing is taken any more. */
  async room(): Promise<void> {
    if (this.full) await new Promise<void>((resolve) => this.#onRoom.push(resolve));
  }

  /** Sends what waits without gathering more, and returns when all of it is sent, or sending has failed. */
  async flush(): Promise<void> {
    this.#sendNow();
    await this.#sending;
  }

  /** Takes nothing more, waits for the sending that is under way and forgets the rest. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting = [];
    this.#tellRoom();
    await this.flush();
  }

  async #drain(): Promise<void> {
    try {
      await this.#gather();
      while (this.#waiting.length > 0) {
        await this.#send(this.#waiting.splice(0, this.#most));
        if (!this.full) this.#tellRoom();
      }
    } catch (error) {
      this.#closed = true;
      this.#waiting = [];
      this.#tellRoom();
      this.#fail(error);
    } finally {
      this.#sending = undefined;
    }
  }

  #gather(): Promise<void> {
    return new Promise<void>((resolve) => {
      if (this.#gatherMs === 0) return setImmediate(resolve);
      const timer = setTimeout(resolve, this.#gatherMs);
      this.#sendNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tellRoom(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }
}
