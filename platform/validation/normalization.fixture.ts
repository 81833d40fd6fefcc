/**
 * To normalise a text takes time that grows with the square of its length where combining marks follow each other.
 * This one is small enough for every body, and took half a second.
 */
export const SLOW_TO_NORMALIZE = `a${'\u0301'.repeat(15_500)}${'\u0334'.repeat(15_500)}`;

/** The length of the longest text that is normalised while `work` runs, in this process; 0 for none. */
export async function longestNormalized(work: () => unknown): Promise<number> {
  const { normalize } = String.prototype;
  let longest = 0;
  String.prototype.normalize = function (this: string, form?: string): string {
    longest = Math.max(longest, this.length);
    return normalize.call(this, form);
  };
  try {
    await work();
  } finally {
    String.prototype.normalize = normalize;
  }
  return longest;
}
