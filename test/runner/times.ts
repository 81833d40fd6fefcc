import { appendFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { registerCompletionHandler } from 'ava';

// ava requires this in the process of each test file: it writes down that the file began, and what it took, for the end of
// the run (test/runner/file-times.ts). A process that goes on after its tests is ended, and tells what held it.

/** How long a process may take to end after its tests, ms. */
const ENDING_MS = 60_000;

const { MUSUBI_TEST_DATA: folder } = process.env;
const root = join(import.meta.dirname, '../..');

if (folder !== undefined) {
  const file = relative(root, fileURLToPath(test.meta.file));
  const tell = (told: object): void => appendFileSync(join(folder, 'times.jsonl'), `${JSON.stringify(told)}\n`);
  tell({ began: file });
  process.once('exit', () => {
    const { user, system } = process.cpuUsage();
    tell({ file, seconds: process.uptime(), cpuSeconds: (user + system) / 1_000_000 });
  });
  const end = (): void => {
    process.stderr.write(`${file} was ended; what held it: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  registerCompletionHandler(() => setTimeout(end, ENDING_MS).unref());
  // ava's wish that it ends. Temporal's runtime takes this signal as the wish to end its workers, and the process would go on.
  process.once('SIGTERM', end);
}
