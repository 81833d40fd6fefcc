import { appendFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

// ava requires this in the process of each test file: it writes down what the file took, for the end of the run.

const { MUSUBI_TEST_DATA: folder } = process.env;
const root = join(import.meta.dirname, '..');

if (folder !== undefined)
  process.once('exit', () => {
    const { user, system } = process.cpuUsage();
    const took = {
      file: relative(root, fileURLToPath(test.meta.file)),
      seconds: process.uptime(),
      cpuSeconds: (user + system) / 1_000_000,
    };
    appendFileSync(join(folder, 'times.jsonl'), `${JSON.stringify(took)}\n`);
  });
