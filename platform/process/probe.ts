/**
 * A check that costs the server something, for probes: however often its answer is wanted, and by however many at once,
 * it is made once in `everyMs`. One that failed is made again after a second, so that the end of a trouble is seen soon.
 */
export function sparing(check: () => Promise<unknown>, everyMs = 5_000): () => Promise<void> {
  let last: Promise<void> | undefined;
  let goodUntil = 0;
  return () => {
    if (last && performance.now() < goodUntil) return last;
    goodUntil = Number.POSITIVE_INFINITY; // while it is under way
    last = Promise.try(check).then(
      () => {
        goodUntil = performance.now() + everyMs;
      },
      (error: unknown) => {
        goodUntil = performance.now() + Math.min(everyMs, AFTER_FAILURE_MS);
        throw error;
      },
    );
    last.catch(() => undefined); // who asked may have given up
    return last;
  };
}

const AFTER_FAILURE_MS = 1_000;
