import type { Findings } from '../test/load.ts';

/** Prints what was found after a load; throws if anything is lost, doubled or out of order. */
export function report(title: string, findings: Findings): void {
  const { accepted, completed, undone, ...bad } = findings;
  const counts = Object.entries(bad).map(([name, found]) => `${found.length} ${name}`);
  process.stdout.write(`${title}: ${accepted} commands, ${completed} completed, ${undone} undone; ${counts.join(', ')}\n`);
  const worst = Object.values(bad).flat();
  if (worst.length > 0) throw new Error(`${title}:\n${worst.slice(0, 20).join('\n')}`);
}
