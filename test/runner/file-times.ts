/** A line that test/runner/times.ts writes: that a test file began, and what it took in the end. */
type Told = { began: string } | Took;
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
  const all = read(text).filter((told) => 'file' in told);
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

/** The files that began and did not end by themselves: their tests may all have passed, but something held the process. */
export function neverEnded(text: string): string[] {
  const all = read(text);
  const ended = new Set(all.map((told) => ('file' in told ? told.file : undefined)));
  return all.flatMap((told) => ('began' in told && !ended.has(told.began) ? [told.began] : []));
}

const read = (text: string): Told[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Told);
