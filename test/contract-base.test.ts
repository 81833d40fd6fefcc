import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

const script = join(import.meta.dirname, '..', '.ci', 'contract-base');

/** A repository of its own with commits in a row, and what CI would compare its contract with. */
function repository(t: ExecutionContext, commits: number) {
  const folder = mkdtempSync(join(tmpdir(), 'musubi-git-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // Nobody's settings and no hooks: only what is made here.
  const env = { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: '1' };
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  let count = 0;
  const commit = (): string => {
    git('commit', '--quiet', '--allow-empty', '-m', `commit ${++count}`); // two of one second must not be the same one
    return git('rev-parse', 'HEAD');
  };
  const base = (given = '', cwd = folder, expected = 0) => {
    const { stdout, stderr, status } = spawnSync(script, { cwd, env: { ...env, MUSUBI_CI_BASE: given }, encoding: 'utf8' });
    t.is(status, expected, stderr);
    return { found: stdout.trim(), said: stderr };
  };
  git('init', '--quiet', '--initial-branch=main');
  const hashes = Array.from({ length: commits }, commit);
  return { folder, git, commit, base, hashes };
}

test('on main without a release, it is the commit before', (t) => {
  const { base, hashes } = repository(t, 3);
  t.deepEqual(base(), { found: hashes[1], said: '' });
});

test('on a branch, it is where the branch left main', (t) => {
  const { base, git, commit, hashes } = repository(t, 2);
  git('switch', '--quiet', '-c', 'feature');
  commit();
  commit();
  git('switch', '--quiet', 'main');
  commit();
  git('switch', '--quiet', 'feature');
  t.is(base().found, hashes[1] ?? '');
});

test('what is not pushed yet is compared with what is', (t) => {
  const { base, git, commit, hashes } = repository(t, 1);
  git('update-ref', 'refs/remotes/origin/main', 'HEAD');
  commit();
  commit();
  t.is(base().found, hashes[0] ?? '');
});

test('the newest release comes first, but for itself; what is asked for comes before all', (t) => {
  const { base, git, commit, hashes } = repository(t, 4);
  git('tag', 'v1.0.0', hashes[1] ?? '');
  t.is(base().found, hashes[1] ?? '');
  git('tag', 'v1.1.0');
  t.is(base().found, hashes[2] ?? '');
  commit();
  t.is(base().found, hashes[3] ?? '');
  t.is(base('v1.0.0').found, hashes[1] ?? '');
});

test('a base that is asked for and not there is an error', (t) => {
  const { base, folder } = repository(t, 2);
  const { found, said } = base('v9.9.9', folder, 1);
  t.is(found, '');
  t.regex(said, /MUSUBI_CI_BASE=v9\.9\.9 is not in this clone/);
});

test('a shallow clone has nothing to compare with, and says so', (t) => {
  const { base, git, folder } = repository(t, 3);
  const clone = join(folder, 'clone');
  git('clone', '--quiet', '--depth=1', `file://${folder}`, clone);
  const { found, said } = base('', clone);
  t.is(found, '');
  t.regex(said, /no earlier commit in this clone/);
});
