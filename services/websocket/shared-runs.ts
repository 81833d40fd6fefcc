/**
 * Work that does the same for all who ask for it. Whoever asks while it is done can not take what comes of that, which may have begun too early:
 * all of these share the next run, so however many ask, each waits for two runs at most.
 */
export class SharedRuns {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves, or fails, with a run that has begun after this was called. */
  run(): Promise<void> {
    if (!this.#running) return this.#begin();
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const running = this.#work().finally(() => {
      if (!this.#next) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
