interface Client {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A client that is opened at its first use, and dropped after one that failed: the next use opens a new one. */
export class Reopened<C extends Client> {
  readonly #make: () => C | Promise<C>;
  #open: Promise<C> | undefined;

  constructor(make: () => C | Promise<C>) {
    this.#make = make;
  }

  async use<T>(work: (client: C) => Promise<T>): Promise<T> {
    this.#open ??= this.#connect();
    const open = this.#open;
    try {
      return await work(await open);
    } catch (error) {
      // Not awaited: brokers that hang would keep the error from who asked. Another use may have dropped it before.
      if (this.#open === open) this.close().catch(() => undefined);
      throw error;
    }
  }

  /** Closes the client, if there is one. Never rejects. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.then((client) => client.disconnect()).catch(() => undefined);
  }

  async #connect(): Promise<C> {
    const client = await this.#make();
    await client.connect();
    return client;
  }
}
