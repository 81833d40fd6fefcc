/** Whether something is so; undefined: it may be either. */
export type Known = boolean | undefined;

export const all = (known: readonly Known[]): Known =>
  known.includes(false) ? false : known.includes(undefined) ? undefined : true;
export const some = (known: readonly Known[]): Known => not(all(known.map(not)));
export const not = (known: Known): Known => (known === undefined ? undefined : !known);

/**
 * Something that others change, as who asks for the changes can know it: from the question to the acknowledgement nobody
 * knows. Times are those of `performance.now()`, ms.
 */
export class Fact {
  readonly #changes: { asked: number; acknowledged: number; value: boolean }[];

  constructor(value: boolean, since = Number.NEGATIVE_INFINITY) {
    this.#changes = [{ asked: since, acknowledged: since, value }];
  }

  /** As the last change leaves it, also while it is not acknowledged. */
  get value(): boolean {
    return this.#changes.at(-1)?.value ?? false;
  }

  /**
   * Begins a change, which is asked for now. One change comes after the other.
   *
   * @returns to be called when that is acknowledged, with whether it was done
   */
  change(value: boolean): (isDone: boolean) => void {
    const before = this.value;
    const change = { asked: performance.now(), acknowledged: Number.POSITIVE_INFINITY, value };
    this.#changes.push(change);
    return (isDone) => {
      change.acknowledged = performance.now();
      if (!isDone) change.value = before;
    };
  }

  /** What it was all the time from then to then; undefined also when it was not one thing. */
  during(from: number, to: number): Known {
    const last = this.#changes.findLast(({ asked }) => asked <= to);
    return last && last.acknowledged <= from ? last.value : undefined;
  }
}
