import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import test from 'ava';
import { endLeftBehind } from './left-behind.ts';

test('what a run has left running is ended and named, and nothing of another run', async (t) => {
  const runs = [randomUUID(), randomUUID()];
  // Detached, as servers are: it does not end with who started it.
  const [left, other] = runs.map((run) =>
    spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: { ...process.env, MUSUBI_TEST_DATA: run } }),
  );
  t.teardown(() => other?.kill('SIGKILL'));
  const ended = left && once(left, 'exit');
  t.deepEqual(await endLeftBehind(runs[0] ?? ''), ['sleep 600']);
  t.deepEqual(await ended, [null, 'SIGKILL']);
  t.is(other?.exitCode, null);
  t.is(other?.signalCode, null);
  t.deepEqual(await endLeftBehind(runs[0] ?? ''), []);
});
