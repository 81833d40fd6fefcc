/** The longest time that a timer of Node can run. */
const LONGEST_MS = 2 ** 31 - 1;

/** Timers by name, that end together. A name that is set again starts from the beginning. */
export class Timers {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failed: (error: unknown) => void;
  #ended = false;

  /** @param failed gets what a timer's work throws, which would otherwise end the process */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  after(name: string, ms: number, work: () => void): void {
    this.stop(name);
    if (!this.#ended) this.#timers.set(name, setTimeout(this.#guarded(work), Math.min(Math.max(0, ms), LONGEST_MS)));
  }

  every(name: string, ms: number, work: () => void): void {
    this.stop(name);
    if (!this.#ended) this.#timers.set(name, setInterval(this.#guarded(work), ms));
  }

  stop(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #guarded(work: () => void): () => void {
    return () => {
      try {
        work();
      } catch (error) {
        this.#failed(error);
      }
    };
  }

  /** Stops all, for good. */
  end(): void {
    this.#ended = true;
    for (const name of [...this.#timers.keys()]) this.stop(name);
  }
}
