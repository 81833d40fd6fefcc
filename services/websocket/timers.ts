/** The longest time that a timer of Node can run. */
const LONGEST_MS = 2 ** 31 - 1;

/** Timers by name, that end together. A name that is set again starts anew. */
export class Timers {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #ended = false;

  after(name: string, ms: number, work: () => void): void {
    this.stop(name);
    if (!this.#ended) this.#timers.set(name, setTimeout(work, Math.min(Math.max(0, ms), LONGEST_MS)));
  }

  every(name: string, ms: number, work: () => void): void {
    this.stop(name);
    if (!this.#ended) this.#timers.set(name, setInterval(work, ms));
  }

  stop(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  /** Stops all, for good. */
  end(): void {
    this.#ended = true;
    for (const name of [...this.#timers.keys()]) this.stop(name);
  }
}
