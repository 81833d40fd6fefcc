const SAMPLES = 500;
/** What another process says of the time may be cut off to whole milliseconds; one more for reading the clocks. */
const TOLERANCE_MS = 2;

/** Times that servers of this host note, as times of `performance.now()`: its clock is theirs. */
export class WallClock {
  readonly #ahead = ahead();

  /** The earliest that it can have been. */
  earliest(wallMs: number): number {
    return wallMs - this.#ahead - TOLERANCE_MS;
  }

  /** @throws when the clock was set meanwhile: then nothing follows from these times */
  requireSteady(): void {
    const moved = ahead() - this.#ahead;
    if (Math.abs(moved) >= 1) throw new Error(`the host's clock was moved by ${moved.toFixed(1)} ms meanwhile: measure again`);
  }
}

/** `Date.now()` is cut off to whole milliseconds, so it is nearest to the time where it is largest. */
const ahead = (): number => Math.max(...Array.from({ length: SAMPLES }, () => Date.now() - performance.now()));
