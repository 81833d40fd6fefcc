import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { tally } from './tap.ts';

const root = join(import.meta.dirname, '..');

test('a test that fails with an error that has no place is told of, and those behind it run', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'musubi-ava-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(folder, 'a.test.js'),
    `import test from 'ava';
     test('a', () => { const error = new Error('from nowhere'); error.stack = 'Error: from nowhere'; throw error; });
     test('b', (t) => t.pass());`,
  );
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'test/ava.ts'), '--tap'], {
    cwd: folder,
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  const { passed, failures } = tally(stdout, status);
  t.is(passed, 1);
  t.is(failures.length, 1);
  t.regex(String(failures), /message: 'from nowhere'/);
});
