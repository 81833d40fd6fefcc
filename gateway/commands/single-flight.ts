/**
 * Calls of one key at the same time, in one process, are one: what is done for the first of them is done for all (Go's
 * `singleflight`). What is done anyway, once and for ever, is decided by the store; this only spares the costly work before it.
 */
export class SingleFlight<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /** @param key tells the same calls from others; empty: it is the same as no other */
  run(key: string, work: () => Promise<T>): Promise<T> {
    if (key === '') return work();
    const known = this.#underWay.get(key);
    if (known) return known;
    const begun = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, begun);
    return begun;
  }
}
