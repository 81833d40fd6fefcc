interface Waiting<Key, Value> {
  key: Key;
  resolve: (value: Value) => void;
  reject: (error: unknown) => void;
}

/**
 * Reads things together that are asked for at the same time (what others call a DataLoader, without its cache): whoever asks
 * while a read is under way is answered by the next one, with all others who came meanwhile. So an answer is never older than
 * its question, and the more there are at once, the less each of them costs. A read that takes long holds up nobody who comes later.
 */
export class Loader<Key, Value> {
  readonly #read: (keys: Key[]) => Promise<readonly Value[]>;
  readonly #most: number;
  readonly #patienceMs: number;
  readonly #weigh: (key: Key) => number;
  #waiting: Waiting<Key, Value>[] = [];
  /** Of all that wait. */
  #weight = 0;
  #reads = 0;
  /** When the newest of them began. */
  #begun = 0;

  /**
   * @param read answers all keys, in their order; when it fails, all who asked get its error
   * @param most the most keys of one read; so many that wait are read beside what is under way
   * @param patienceMs how long a read may be under way before others are begun beside it: its connection may hang
   * @param weigh as how many keys one counts: one that alone is `most`, or more, shares its read with no other
   */
  constructor(
    read: (keys: Key[]) => Promise<readonly Value[]>,
    most = 100,
    patienceMs = 100,
    weigh: (key: Key) => number = () => 1,
  ) {
    this.#read = read;
    this.#most = most;
    this.#patienceMs = patienceMs;
    this.#weigh = weigh;
  }

  load(key: Key): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      this.#weight += this.#weigh(key);
      if (this.#reads === 0) {
        this.#reads = 1;
        this.#begun = performance.now();
        // Requests that have come in one turn of the event loop are asked for in it, too.
        setImmediate(() => this.#next());
      } else if (performance.now() - this.#begun > this.#patienceMs) this.#beside();
      while (this.#weight >= this.#most && this.#reads > 0) this.#beside();
    });
  }

  #beside(): void {
    this.#reads++;
    this.#next();
  }

  /** Those of the next read: as many of the first that wait as one has. */
  #take(): Waiting<Key, Value>[] {
    let weight = 0;
    const past = this.#waiting.findIndex(({ key }, at) => {
      weight += this.#weigh(key);
      return at > 0 && weight > this.#most;
    });
    const taken = this.#waiting.splice(0, past < 0 ? this.#waiting.length : past);
    this.#weight -= taken.reduce((sum, { key }) => sum + this.#weigh(key), 0);
    return taken;
  }

  #next(): void {
    this.#begun = performance.now();
    const asked = this.#take();
    // A read that was full has taken them along.
    if (asked.length === 0) {
      this.#reads--;
      return;
    }
    Promise.try(() => this.#read(asked.map(({ key }) => key)))
      .then((values) => {
        if (values.length !== asked.length) throw new Error(`${asked.length} were asked for, ${values.length} were read`);
        for (const [at, { resolve }] of asked.entries()) resolve(values[at] as Value);
      })
      .catch((error: unknown) => {
        for (const { reject } of asked) reject(error);
      })
      .finally(() => {
        if (this.#waiting.length > 0) this.#next();
        else this.#reads--;
      });
  }
}
