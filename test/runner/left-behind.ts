import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long what was asked to end may take to do so, ms. */
const ENDING_MS = 10_000;

/**
 * Ends what tests have started and left running, also the servers of a run that crashed: each process that a test starts
 * has its environment, and in it the folder of the run.
 *
 * @param dataDir the run's folder
 * @returns the command line of each
 */
export async function endLeftBehind(dataDir: string): Promise<string[]> {
  let left = ofRun(dataDir);
  for (const until = performance.now() + ENDING_MS; left.length > 0 && performance.now() < until; left = ofRun(dataDir))
    await sleep(100);
  return left.map((pid) => {
    const command = read(pid, 'cmdline').replaceAll('\0', ' ').trim();
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended in between.
    }
    return command;
  });
}

const ofRun = (dataDir: string): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => read(pid, 'environ').split('\0').includes(`MUSUBI_TEST_DATA=${dataDir}`));

/** Empty for a process that has ended, or is somebody else's. */
function read(pid: number, file: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
