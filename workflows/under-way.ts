import { CancellationScope } from '@temporalio/workflow';

/**
 * What a run has under way, side by side if its saga says so. Before it is undone, or goes on in a new run, all of that
 * has ended, and nothing more begins.
 */
export class UnderWay {
  readonly #units = new Set<Promise<unknown>>();
  readonly #children = new Set<CancellationScope>();
  #isClosed = false;

  /** Does what must be known to have ended. Never begins it, nor ends itself, once the run has come to its end. */
  async unit<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return await new Promise<never>(() => undefined);
    const unit = work();
    this.#units.add(unit);
    try {
      return await unit;
    } finally {
      this.#units.delete(unit);
    }
  }

  /** Runs a child workflow, which is asked to cancel when the run is to be undone. */
  async child<T>(work: () => Promise<T>, options: { cancellable: boolean }): Promise<T> {
    const scope = new CancellationScope(options);
    this.#children.add(scope);
    try {
      return await scope.run(work);
    } finally {
      this.#children.delete(scope);
    }
  }

  /** Waits until nothing is under way. @param cancelling whether child workflows are asked to cancel */
  async close({ cancelling }: { cancelling: boolean }): Promise<void> {
    this.#isClosed = true;
    if (cancelling) for (const child of this.#children) child.cancel();
    await Promise.allSettled(this.#units);
  }
}
