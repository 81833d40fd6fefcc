export interface Tally {
  passed: number;
  failed: number;
  /** What TAP says of each test that failed, and what else went wrong. */
  failures: string[];
}

/**
 * Counts what a run of ava came to, from its TAP output (https://testanything.org/tap-version-13-specification.html).
 * Its last lines tell how many tests there were: where they are missing, ava itself has crashed, and what had not run by
 * then never did.
 *
 * @param code how ava ended; null: by a signal
 */
export function tally(output: string, code: number | null): Tally {
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const failures: string[] = output.match(/^not ok .*(?:\n {2}.*)*/gm) ?? [];
  const isWhole = /^# tests \d+$/m.test(output);
  if (!isWhole) failures.push(`ava ended with ${code} before it had run every test`);
  else if (/^# tests 0$/m.test(output)) failures.push('no test was run: none of these files has one of such a title');
  else if (code !== 0 && failures.length === 0) failures.push(`ava ended with ${code}, though no test failed`);
  return { passed, failed: failures.length, failures };
}

const MOST_LINES = 40;
const MOST_CHARACTERS = 300;

/** A failure, so short that several can be read at the end of a log: its beginning, and its last lines. */
export function brief(failure: string): string {
  const lines = failure.split('\n').map((line) => (line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)} …` : line));
  if (lines.length <= MOST_LINES) return lines.join('\n');
  return [...lines.slice(0, MOST_LINES - 6), `  … ${lines.length - MOST_LINES + 1} lines more`, ...lines.slice(-5)].join('\n');
}
