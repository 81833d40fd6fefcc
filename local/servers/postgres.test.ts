import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { asOrdinaryUser } from './postgres.ts';

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
