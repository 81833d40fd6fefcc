/** Draws from a seed: the same seed draws the same (mulberry32). Each who draws has one of its own, as their turns differ from run to run. */
export class Draw {
  #state: number;

  constructor(seed: number, index = 0) {
    this.#state = (seed + Math.imul(index, 0x9e3779b9)) | 0;
  }

  /** From 0 up to but not 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 up to but not `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** One of these; undefined: there is none. */
  of<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }
}
