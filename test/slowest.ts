/** What a test file took, as test/times.ts writes it down. */
interface Took {
  file: string;
  seconds: number;
  /** Of its own process; what it started is not in it. */
  cpuSeconds: number;
}

/**
 * What the files took together, and the slowest ten: whoever waits for a run finds here what for.
 *
 * @param text a line of JSON for each file
 * @returns lines for people
 */
export function slowest(text: string): string[] {
  const all = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Took);
  const sum = (of: (took: Took) => number): string => all.reduce((total, took) => total + of(took), 0).toFixed(0);
  const lines = all.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10);
  return [
    `${all.length} files took ${sum(({ seconds }) => seconds)} s, and ${sum(({ cpuSeconds }) => cpuSeconds)} s of CPU; the slowest:`,
    ...lines.map(
      ({ file, seconds, cpuSeconds }) =>
        `${seconds.toFixed(1).padStart(6)} s ${cpuSeconds.toFixed(1).padStart(6)} s of CPU  ${file}`,
    ),
  ];
}
