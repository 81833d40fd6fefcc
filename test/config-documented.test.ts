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
  .filter((file) => /^(platform|services|gateway|worker|local)\//.test(file) && !/\.(test|fixture)\.ts$/.test(file));
const read = files.map((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^ {2}((?:MUSUBI|OTEL)_[A-Z0-9_]+):/gm)].map((match) => match[1] ?? ''),
);
const variables = [...new Set(read.flat())].sort();

test('every variable that a process or npm start reads is in the README', (t) => {
  t.true(variables.length > 30);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  t.deepEqual(
    variables.filter((variable) => !readme.includes(`\`${variable}\``)),
    [],
  );
});

test('every field of run.json is in the README', (t) => {
  const fields = [...readFileSync(join(root, 'local/run-file.ts'), 'utf8').matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name);
  t.true(fields.length > 10);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  t.deepEqual(
    fields.filter((field) => !readme.includes(`\`${field}\``)),
    [],
  );
});
