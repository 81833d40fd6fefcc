import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /^(platform|services|gateway|worker)\//.test(file) && !/\.(test|fixture)\.ts$/.test(file));
const read = files.map((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^ {2}(MUSUBI_[A-Z0-9_]+):/gm)].map((match) => match[1] ?? ''),
);
const variables = [...new Set(read.flat())].sort();

test('every variable that a process reads is in the README', (t) => {
  t.true(variables.length > 30);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  t.deepEqual(
    variables.filter((variable) => !readme.includes(`\`${variable}\``)),
    [],
  );
});
