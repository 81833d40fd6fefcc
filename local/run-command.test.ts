import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { identify } from './pids.ts';
import { endingWith, run } from './run-command.ts';

const root = mkdtempSync(join(tmpdir(), 'musubi-run-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

test('what is stopped ends the command that it waits for, and begins no other; what is not goes on', async (t) => {
  const ending = new AbortController();
  const goesOn = ['-e', 'setInterval(() => {}, 1000)'];
  const [stopped, other] = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  const begun: number[] = [];
  const work = endingWith(ending.signal, async () => {
    const outcome = run(process.execPath, goesOn, { onSpawn: stopped.resolve });
    await t.throwsAsync(outcome, { message: /failed \(SIGTERM\)/ });
    await run(process.execPath, goesOn, { onSpawn: (pid) => begun.push(pid) });
  });
  const elsewhere = run(process.execPath, goesOn, { onSpawn: other.resolve });
  const [pid, otherPid] = await Promise.all([stopped.promise, other.promise]);
  ending.abort(new Error('it is being stopped'));
  await t.throwsAsync(work, { message: 'it is being stopped' });
  t.deepEqual(begun, []);
  t.deepEqual(
    [pid, otherPid].map((each) => identify(each) !== undefined),
    [false, true],
  );
  process.kill(otherPid, 'SIGKILL');
  await t.throwsAsync(elsewhere, { message: /SIGKILL/ });
});

test('whoever is forced to end takes along the commands that it waits for', async (t) => {
  const script = join(root, 'forced.ts');
  writeFileSync(
    script,
    `import { run } from ${JSON.stringify(new URL('run-command.ts', import.meta.url).href)};
    await run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      onSpawn: (pid) => { console.log(pid); setTimeout(() => process.exit(3), 200); },
    });`,
  );
  const child = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  t.is(child.status, 3, child.stderr);
  const pid = Number(child.stdout);
  for (const begun = Date.now(); identify(pid) && Date.now() - begun < 30_000; ) await sleep(20);
  t.is(identify(pid), undefined);
});

test('a command that fails is an error with what it said last', async (t) => {
  await t.throwsAsync(run(process.execPath, ['-e', "console.error('no such wheel'); process.exit(3)"]), {
    message: /failed \(3\):\nno such wheel/,
  });
});
