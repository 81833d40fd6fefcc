import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { asOrdinaryUser, forgetRecycledPid } from './postgres.ts';

const NOBODY = 65_534;

test('its programs find each other in a home that only its owner may enter, and run as no root', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'musubi-home-')); // mode 0700, as root's own
  try {
    const cluster = join(home, 'cluster');
    const program = join(home, 'program');
    mkdirSync(cluster);
    writeFileSync(program, '');
    chmodSync(program, 0o755);
    const script = 'fs.accessSync(process.argv[1], fs.constants.X_OK); console.log(process.getuid())';
    const args = ['-e', script, program];
    if (process.getuid?.() !== 0) {
      t.deepEqual(asOrdinaryUser(cluster, process.execPath, args), { command: process.execPath, args });
      return;
    }
    chownSync(cluster, NOBODY, NOBODY);
    const launch = asOrdinaryUser(cluster, process.execPath, args);
    t.is(execFileSync(launch.command, launch.args, { encoding: 'utf8' }).trim(), String(NOBODY));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('of a killed server the number is forgotten once it is the one of a process that works elsewhere', async (t) => {
  const cluster = realpathSync(mkdtempSync(join(tmpdir(), 'musubi-cluster-')));
  t.teardown(() => rmSync(cluster, { recursive: true, force: true }));
  const file = join(cluster, 'postmaster.pid');
  const keptFor = async (cwd: string): Promise<boolean> => {
    const child = spawn(process.execPath, ['-e', "setInterval(() => {}, 1000); console.log('up')"], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    writeFileSync(file, `${child.pid}\n${cluster}\n`);
    await forgetRecycledPid(cluster);
    return existsSync(file);
  };
  t.true(await keptFor(cluster), 'it may be a server on this data');
  t.false(await keptFor(tmpdir()));
});
