import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Tally, tally } from './tap.ts';

const root = join(import.meta.dirname, '../..');

/** Runs one test file of these lines, in a folder of its own. */
function run(t: ExecutionContext, lines: string, ...options: string[]): Tally {
  const folder = mkdtempSync(join(tmpdir(), 'musubi-ava-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'a.test.js'), `import test from 'ava';\n${lines}`);
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(root, 'test/runner/ava.ts'), '--tap', '--no-worker-threads', ...options],
    {
      cwd: folder,
      env: { PATH: process.env.PATH },
      encoding: 'utf8',
      timeout: 60_000, // only where what is tried here is broken
      killSignal: 'SIGKILL',
    },
  );
  return tally(stdout, status);
}

test('a test that fails with an error that has no place is told of, and those behind it run', (t) => {
  const { passed, failures } = run(
    t,
    `test('a', () => { const error = new Error('from nowhere'); error.stack = 'Error: from nowhere'; throw error; });
     test('b', (t) => t.pass());`,
  );
  t.is(passed, 1);
  t.is(failures.length, 1);
  t.regex(String(failures), /message: 'from nowhere'/);
});

test('a file that goes on after its tests, and takes no signal to end, is killed', (t) => {
  const { failures } = run(
    t,
    `process.on('SIGTERM', () => {}); setInterval(() => {}, 1_000);
     test('a', (t) => t.pass());`,
    '--timeout=5s',
  );
  t.deepEqual(failures, ['ava ended with 1, though no test failed']);
});

test('a test that takes too long is told of by its name, as what went wrong', (t) => {
  const { passed, failures } = run(
    t,
    `test('a', (t) => t.pass());
     test('b', () => new Promise(() => setInterval(() => {}, 1_000)));`,
    '--timeout=5s',
  );
  t.is(passed, 1);
  t.regex(String(failures), /not ok \d+ - b\n/);
  t.regex(String(failures), /no new tests completed/);
});
