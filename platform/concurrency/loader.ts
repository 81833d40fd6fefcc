/**
 * Reads things together that are asked for at the same time (what others call a DataLoader, without its cache): whoever asks
 * while a read is under way is answered by the next one, with all others who came meanwhile. So an answer is never older than
 * its question, and the more there are at once, the less each of them costs. A read that takes long holds up nobody who comes later.
 */
export class Loader<Key, Value> {
  readonly #read: (keys: Key[]) => Promise<readonly Value[]>;
  readonly #most: number;
  readonly #patienceMs: number;
  #waiting: { key: Key; resolve: (value: Value) => void; reject: (error: unknown) => void }[] = [];
  #reads = 0;
  /** When the newest of them began. */
  #begun = 0;

  /**
   * @param read answers all keys, in their order; when it fails, all who asked get its error
   * @param most the most keys of one read; so many that wait are read beside what is under way
   * @param patienceMs how long a read may be under way before others are begun beside it: its connection may hang
   */
  constructor(read: (keys: Key[]) => Promise<readonly Value[]>, most = 100, patienceMs = 100) {
    this.#read = read;
    this.#most = most;
    this.#patienceMs = patienceMs;
  }

  load(key: Key): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      if (this.#reads === 0) {
        this.#reads = 1;
        this.#begun = performance.now();
        // Requests that have come in one turn of the event loop are asked for in it, too.
        setImmediate(() => this.#next());
      } else if (this.#waiting.length >= this.#most || performance.now() - this.#begun > this.#patienceMs) {
        this.#reads++;
        this.#next();
      }
    });
  }

  #next(): void {
    this.#begun = performance.now();
    const asked = this.#waiting.splice(0, this.#most);
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
