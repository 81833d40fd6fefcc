import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { pipInstall } from './wheels.ts';

const root = mkdtempSync(join(tmpdir(), 'musubi-wheels-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** A `python3` like pyenv's: a script whose work after pip fails when another has the lock. It stands first on the PATH. */
const shims = join(root, 'shims');
mkdirSync(shims);
const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
const shim = `#!/bin/sh
'${python}' "$@" || exit
case "$*" in *'pip install'*) echo 'pyenv: cannot rehash' >&2; exit 1;; esac
`;
writeFileSync(join(shims, 'python3'), shim, { mode: 0o755 });
process.env.PATH = `${shims}${delimiter}${process.env.PATH}`;

/** A wheel that holds one file. */
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('tiny/content', 'x')
    wheel.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')
    wheel.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('tiny-1.0.dist-info/RECORD', '')
`;
const wheel = join(root, 'tiny-1.0-py3-none-any.whl');
execFileSync(python, ['-c', WHEEL, wheel]);
const sha256 = createHash('sha256').update(readFileSync(wheel)).digest('hex');
const requirement = (hash: string) => `tiny @ ${pathToFileURL(wheel)} --hash=sha256:${hash}\n`;
const folder = (name: string): string => {
  const path = join(root, name);
  mkdirSync(path);
  return path;
};

test('a wheel is installed by the interpreter itself, not by what a version manager puts before it', async (t) => {
  const into = folder('installed');
  await pipInstall('tiny 1.0', requirement(sha256), into);
  t.true(existsSync(join(into, 'tiny', 'content')));
});

test('what could not be fetched is named, with why and what to do', async (t) => {
  const { message } = await t.throwsAsync(pipInstall('tiny 1.0', requirement('0'.repeat(64)), folder('refused')));
  t.regex(message, /^tiny 1\.0 could not be fetched: \S+ -m pip failed \(1\):\n/);
  t.regex(message, /DO NOT MATCH THE HASHES/);
  t.regex(message, /\nRun npm start again when that is mended: what else was fetched is kept\.$/);
});
