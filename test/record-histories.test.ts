import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { identify, isAlive } from '../local/pids.ts';

test('a recording that is stopped takes its Temporal server along', async (t) => {
  const { MUSUBI_TEMPORAL_ADDRESS: _shared, ...env } = process.env;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'record-histories.ts')], { env, stdio: 'inherit' });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let servers: number[] = [];
  for (; servers.length === 0; await sleep(20)) {
    t.is(child.exitCode, null);
    servers = childrenOf(child.pid ?? 0).filter((pid) => read(`/proc/${pid}/cmdline`).includes('start-dev'));
  }
  const server = identify(servers[0] ?? 0);
  child.kill('SIGTERM');
  t.deepEqual(await ended, [130, null]);
  t.false(server && isAlive(server));
});

/** Of any of its threads, which come and go. */
const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
